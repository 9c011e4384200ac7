package catalogue

// MissingOps are the operations of the frozen contract that this release does not have. Their routes
// exist and answer 404 with the reason.
var MissingOps []Missing
