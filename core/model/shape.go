package model

// Taken is what the machine counts for on its host and against its project's quota: while an operation
// changes its shape, the larger of the two in each dimension, so that neither outcome is short of room.
func (o *Instance) Taken() Shape {
	return Shape{VCPUs: max(o.VCPUs, o.Reserved.VCPUs), Memory: max(o.Memory, o.Reserved.Memory)}
}
