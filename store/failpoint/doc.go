// Package failpoint names the moments at which a crash is interesting, so that a test can make one
// happen exactly there.
//
// A package registers its points in variables and passes through them:
//
//	var beforeSync = failpoint.Register("store.commit.before-sync")
//	...
//	if err := beforeSync.Hit(); err != nil {
//		return err
//	}
//
// Without the build tag "failpoint" a Point is an empty struct and Hit an inlined nil. With the tag
// two environment variables rule the process:
//
//	KOWABUNGA_FAILPOINT="name=action[@N][;name=action[@N]...]"
//	KOWABUNGA_FAILPOINT_LOG=FILE
//
// The N-th passage (the first one unless told) through the named point takes the action; the log
// gets the name of every point passed, one a line, so that a test learns which points a flow has and
// how often it passes each. The actions:
//
//	kill   SIGKILL to this very process: a crash
//	exit   os.Exit(3): no deferred function runs
//	panic  a panic of this goroutine
//	error  Hit returns a fault of code Internal
//	pause  this goroutine stops until the process receives SIGCONT: a hung disk, a stuck call; a
//	       signal sent before the log has the point's name is lost
package failpoint
