package catalogue_test

import (
	"errors"

	"kowabunga/core/fault"
)

func faultOf(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	return string(f.Code) + " " + f.Field
}
