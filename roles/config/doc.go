// Package config gives each role one validated struct, filled from flags, the environment, a YAML file
// and defaults, in that order of precedence.
//
// A role names its keys once, in a table that points at the fields of its struct:
//
//	set := config.New("kahuna")
//	set.Path(&c.Dir, "dir", "/var/lib/kowabunga/kahuna", "directory that holds everything").NotInFile()
//	set.Address(&c.Listen, "listen", "127.0.0.1:8080", "address the API listens on")
//	set.Size(&c.MaxBody, "max-body", 1*config.MiB, "largest request body").Between(1024, int64(64*config.MiB))
//	set.Secret(&c.Master, "master-key", "", "the master API key")          // --master-key-file
//	set.Bind(cmd)                                                           // when the command is built
//	err := set.Load(cmd, filepath.Join(set.Early(cmd, "dir"), "kahuna.yaml"), true) // when it runs
//
// From the key come the flag (`--listen`, dots and capitals become dashes), the environment variable
// (`KOWABUNGA_KAHUNA_LISTEN`, dots and dashes become underscores) and the place in the file (dots nest).
// What a person writes is never ignored: an unknown key of the file or an unknown variable of the role is
// refused with the nearest known name, and every wrong value is reported at once with its key, its reason
// and where it came from.
//
// Secrets are never values here. A Secret is the name of a file, or "-" for standard input, and is read
// when it is used; flags and variables therefore hold nothing that a process list could show.
//
// The merging is viper's. Resource documents must never pass through this package: viper folds the case
// of keys, which is harmless for the fixed keys of a role and wrong for names that people choose. The one
// kind of key with chosen names, Table, is flattened before viper sees it.
package config
