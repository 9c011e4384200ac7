package cost

import "kowabunga/core/model"

// Machine is what a machine's processors and memory cost a month, its disks apart, in the currency that
// most is to be paid in: 0 EUR for one that costs nothing.
func Machine(v model.View, o *model.Instance) model.Cost {
	return Breakdown{Total: machine(v, o.Kaktus, o.Taken()).costs()}.Main()
}
