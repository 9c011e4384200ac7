package openapi

// devicePaths adds how programs are let in (RFC 8628), and the passwords that are shown once.
func devicePaths(paths, schemas Object) {
	integer := Object{"type": "integer", "format": "int64"}
	schemas["NewPassword"] = object("a password that was drawn", Object{"id": text("id of the user it is for"), "password": text("the password")}, "id", "password")
	schemas["User"].(Object)["properties"].(Object)["password"] = Object{"type": "string", "readOnly": true, "description": "in the answer to a creation with ?password=generated: the password, shown this once"}
	schemas["Device"] = object("a pair of codes for a program that wants to be let in", Object{"device_code": text("the program's, secret"),
		"user_code": text("shown to a person, who types it at verification_uri"), "verification_uri": text("where"), "verification_uri_complete": text("the same with the code filled in"),
		"expires_in": integer, "interval": integer}, "device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval")
	schemas["DeviceQuestion"] = object("a program asks whether it was let in", Object{"device_code": text("its code")}, "device_code")
	schemas["DeviceToken"] = object("it was let in", Object{"jwt": text("token for Authorization: Bearer")}, "jwt")
	add := func(path, id, summary, request, answer string) {
		responses := Object{"200": success("done", answer)}
		for _, failed := range []string{"400", "401", "422", "429", "503"} {
			responses[failed] = failure("Problem", "application/problem+json")
		}
		o := Object{"operationId": id, "tags": []any{"work"}, "summary": summary, "security": []any{}, "responses": responses}
		if request != "" {
			o["requestBody"] = Object{"required": true, "content": Object{"application/json": Object{"schema": ref(request)}}}
		}
		place(paths, path, "POST", o)
	}
	add("/device", "BeginDevice", "Ask for a pair of codes that let a program in", "", "Device")
	add("/device/token", "DeviceToken", "Ask whether the program was let in; until it was: 400 with code authorization_pending, slow_down, access_denied or expired_token", "DeviceQuestion", "DeviceToken")
}
