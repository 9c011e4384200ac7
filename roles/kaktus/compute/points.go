package compute

import "kowabunga/store/failpoint"

// The points at which the agent's death must be harmless: around each effect on libvirt and on what is
// recorded of a machine.
var (
	fpRecord     = failpoint.Register("kaktus.record.before")
	fpRecorded   = failpoint.Register("kaktus.record.after")
	fpForget     = failpoint.Register("kaktus.forget.before")
	fpForgotten  = failpoint.Register("kaktus.forget.after")
	fpDefine     = failpoint.Register("kaktus.define.before")
	fpDefined    = failpoint.Register("kaktus.define.after")
	fpUndefine   = failpoint.Register("kaktus.undefine.before")
	fpUndefined  = failpoint.Register("kaktus.undefine.after")
	fpDestroy    = failpoint.Register("kaktus.destroy.before")
	fpDestroyed  = failpoint.Register("kaktus.destroy.after")
	fpStart      = failpoint.Register("kaktus.start.before")
	fpStarted    = failpoint.Register("kaktus.start.after")
	fpGrowOnline = failpoint.Register("kaktus.grow.online")
)
