package catalogue

// MissingOps are the operations of the frozen contract that this release does not have. Their routes
// exist and answer 404 with the reason.
var MissingOps = []Missing{
	{"ResetPassword", "PUT", "/resetPassword", "passwords by mail are not part of this release; a superAdmin can set one with PUT /user/{userId}/password"},
	{"ResetUserPassword", "PATCH", "/user/{userId}/resetPassword", "passwords by mail are not part of this release; a superAdmin can set one with PUT /user/{userId}/password"},
}
