// Command kowabunga turns servers into a private cloud. All of it is in the package roles.
package main

import (
	"os"

	"kowabunga/roles"
)

func main() { os.Exit(roles.Main(os.Args[1:])) }
