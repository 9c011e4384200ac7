package operate_test

import (
	"kowabunga/core/catalogue"
	"kowabunga/core/model"
)

var readAll = catalogue.Reader{Version: catalogue.V1, Secrets: true}

func catalogueOf(kind model.Kind) *catalogue.Kind { return catalogue.Of(kind) }
