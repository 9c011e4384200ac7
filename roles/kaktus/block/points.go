package block

import "kowabunga/store/failpoint"

// The points at which the agent's death must be harmless: around each change that others can see.
var (
	fpVolume        = failpoint.Register("kaktus.volume.before-rename")
	fpVolumeMade    = failpoint.Register("kaktus.volume.after-rename")
	fpVolumeRemove  = failpoint.Register("kaktus.volume.before-remove")
	fpVolumeRemoved = failpoint.Register("kaktus.volume.after-remove")
	fpResize        = failpoint.Register("kaktus.volume.before-resize")
	fpResized       = failpoint.Register("kaktus.volume.after-resize")
	fpImage         = failpoint.Register("kaktus.image.before-rename")
	fpImageMade     = failpoint.Register("kaktus.image.after-rename")
	fpImageRemove   = failpoint.Register("kaktus.image.before-remove")
	fpImageRemoved  = failpoint.Register("kaktus.image.after-remove")
)
