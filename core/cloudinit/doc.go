// Package cloudinit writes the documents a new machine configures itself from: the user-data,
// meta-data and network-config of the NoCloud data source, as cloud-init and small look-alikes read
// them.
//
// The documents are JSON, which is YAML as well. Names, domains and keys are values of a serialiser
// and never pasted into text, so that no name, however odd, can add a directive. The package draws
// nothing by itself: addresses, salts and keys are data.
package cloudinit
