package catalogue

import (
	"kowabunga/core/cloudinit"
	"kowabunga/core/model"
)

func ids[T any](get func(*T) []model.ID) func(model.Object) []model.ID {
	return func(o model.Object) []model.ID { return get(any(o).(*T)) }
}

func id[T any](get func(*T) model.ID) func(model.Object) []model.ID {
	return func(o model.Object) []model.ID { return []model.ID{get(any(o).(*T))} }
}

// index declares a secondary index by one id.
func index[T any](name string, get func(*T) model.ID) model.Index {
	return model.Index{Name: name, Keys: func(o model.Object) []string { return []string{string(get(any(o).(*T)))} }}
}

// indexes declares a secondary index by several ids.
func indexes[T any](name string, get func(*T) []model.ID) model.Index {
	return model.Index{Name: name, Keys: func(o model.Object) []string {
		var keys []string
		for _, id := range get(any(o).(*T)) {
			keys = append(keys, string(id))
		}
		return keys
	}}
}

// key declares a unique index by words.
func key[T any](name string, get func(*T) []string) model.Index {
	return model.Index{Name: name, Keys: func(o model.Object) []string { return get(any(o).(*T)) }}
}

// names is the unique index every kind with global names has.
var names = model.Index{Name: "name", Keys: func(o model.Object) []string { return []string{o.Base().Name} }}

func drop(from []model.ID, id model.ID) []model.ID {
	var out []model.ID
	for _, other := range from {
		if other != id {
			out = append(out, other)
		}
	}
	return out
}

func init() {
	initInfraTables()
	initTenantTables()
	initPeopleTables()
	initShareTables()
	initServiceTables()
	for _, k := range Kinds {
		k.attributes = k.gather()
	}
}

func initInfraTables() {
	region.Table = model.Table{Kind: model.KindRegion, New: func() model.Object { return new(model.Region) },
		Unique: []model.Index{names},
		Refs: []model.Ref{{Field: "default pool", To: model.KindPool, IDs: id(func(o *model.Region) model.ID { return o.DefaultPool }), OnDelete: model.Detach,
			Drop: func(o model.Object, _ model.ID) { o.(*model.Region).DefaultPool = "" }},
			{Field: "default nfs", To: model.KindNFS, IDs: id(func(o *model.Region) model.ID { return o.DefaultNFS }), OnDelete: model.Detach,
				Drop: func(o model.Object, _ model.ID) { o.(*model.Region).DefaultNFS = "" }}},
	}
	zone.Table = model.Table{Kind: model.KindZone, New: func() model.Object { return new(model.Zone) },
		Unique:  []model.Index{names},
		Indexes: []model.Index{index("region", func(o *model.Zone) model.ID { return o.Region })},
		Refs:    []model.Ref{{Field: "region", To: model.KindRegion, IDs: id(func(o *model.Zone) model.ID { return o.Region })}},
	}
	kaktus.Table = model.Table{Kind: model.KindKaktus, New: func() model.Object { return new(model.Kaktus) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("zone", func(o *model.Kaktus) model.ID { return o.Zone }),
			indexes("agent", func(o *model.Kaktus) []model.ID { return o.Agents })},
		Refs: []model.Ref{{Field: "zone", To: model.KindZone, IDs: id(func(o *model.Kaktus) model.ID { return o.Zone })},
			{Field: "agents", To: model.KindAgent, IDs: ids(func(o *model.Kaktus) []model.ID { return o.Agents })}},
	}
	agentKind.Table = model.Table{Kind: model.KindAgent, New: func() model.Object { return new(model.Agent) },
		Unique: []model.Index{names},
	}
	vnet.Table = model.Table{Kind: model.KindVNet, New: func() model.Object { return new(model.VNet) },
		Unique:  []model.Index{names},
		Indexes: []model.Index{index("region", func(o *model.VNet) model.ID { return o.Region })},
		Refs: []model.Ref{{Field: "region", To: model.KindRegion, IDs: id(func(o *model.VNet) model.ID { return o.Region })},
			{Field: "default subnet", To: model.KindSubnet, IDs: id(func(o *model.VNet) model.ID { return o.DefaultSubnet }), OnDelete: model.Detach,
				Drop: func(o model.Object, _ model.ID) { o.(*model.VNet).DefaultSubnet = "" }}},
	}
	subnet.Table = model.Table{Kind: model.KindSubnet, New: func() model.Object { return new(model.Subnet) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("vnet", func(o *model.Subnet) model.ID { return o.VNet }),
			index("project", func(o *model.Subnet) model.ID { return o.Project })},
		Refs: []model.Ref{{Field: "vnet", To: model.KindVNet, IDs: id(func(o *model.Subnet) model.ID { return o.VNet })},
			{Field: "project", To: model.KindProject, IDs: id(func(o *model.Subnet) model.ID { return o.Project }), OnDelete: model.Detach,
				Drop: func(o model.Object, _ model.ID) { o.(*model.Subnet).Project = "" }}},
	}
	pool.Table = model.Table{Kind: model.KindPool, New: func() model.Object { return new(model.Pool) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("region", func(o *model.Pool) model.ID { return o.Region }),
			indexes("agent", func(o *model.Pool) []model.ID { return o.Agents })},
		Refs: []model.Ref{{Field: "region", To: model.KindRegion, IDs: id(func(o *model.Pool) model.ID { return o.Region })},
			{Field: "agents", To: model.KindAgent, IDs: ids(func(o *model.Pool) []model.ID { return o.Agents })},
			{Field: "default template", To: model.KindTemplate, IDs: id(func(o *model.Pool) model.ID { return o.DefaultTemplate }), OnDelete: model.Detach,
				Drop: func(o model.Object, _ model.ID) { o.(*model.Pool).DefaultTemplate = "" }}},
		Secrets: func(o model.Object) []*model.Secret { return []*model.Secret{&o.(*model.Pool).CephSecretUUID} },
	}
	template.Table = model.Table{Kind: model.KindTemplate, New: func() model.Object { return new(model.Template) },
		Unique:  []model.Index{key("name", func(o *model.Template) []string { return []string{string(o.Pool) + "|" + o.Name} })},
		Indexes: []model.Index{index("pool", func(o *model.Template) model.ID { return o.Pool })},
		Refs:    []model.Ref{{Field: "pool", To: model.KindPool, IDs: id(func(o *model.Template) model.ID { return o.Pool })}},
	}
}

func initTenantTables() {
	project.Table = model.Table{Kind: model.KindProject, New: func() model.Object { return new(model.Project) },
		Unique: []model.Index{names},
		Indexes: []model.Index{indexes("team", func(o *model.Project) []model.ID { return o.Teams }),
			index("organization", func(o *model.Project) model.ID { return o.Organization }),
			indexes("region", func(o *model.Project) []model.ID { return o.Regions })},
		Refs: []model.Ref{{Field: "teams", To: model.KindTeam, IDs: ids(func(o *model.Project) []model.ID { return o.Teams }), OnDelete: model.Restrict},
			{Field: "regions", To: model.KindRegion, IDs: ids(func(o *model.Project) []model.ID { return o.Regions })},
			belongs(func(o *model.Project) *model.ID { return &o.Organization })},
		Secrets: func(o model.Object) []*model.Secret { return []*model.Secret{&o.(*model.Project).RootPassword} },
	}
	adapter.Table = model.Table{Kind: model.KindAdapter, New: func() model.Object { return new(model.Adapter) },
		Unique: []model.Index{names,
			key("mac", func(o *model.Adapter) []string {
				if o.Reserved {
					return nil
				}
				return []string{o.MAC}
			}),
			key("address", func(o *model.Adapter) []string {
				var keys []string
				for _, a := range o.Addresses {
					keys = append(keys, string(o.Subnet)+"|"+a)
				}
				return keys
			})},
		Indexes: []model.Index{index("subnet", func(o *model.Adapter) model.ID { return o.Subnet }),
			indexes("reserved", func(o *model.Adapter) []model.ID { // by subnet, of those so marked
				if !o.Reserved {
					return nil
				}
				return []model.ID{o.Subnet}
			}),
			{Name: "card", Keys: func(o model.Object) []string { return []string{o.(*model.Adapter).MAC} }}, // reserved or not
			index("kompute", func(o *model.Adapter) model.ID { return o.Kompute }),
			index("service", func(o *model.Adapter) model.ID { return o.Service })},
		Refs: []model.Ref{{Field: "subnet", To: model.KindSubnet, IDs: id(func(o *model.Adapter) model.ID { return o.Subnet })},
			{Field: "kompute", To: model.KindKompute, IDs: id(func(o *model.Adapter) model.ID { return o.Kompute })}},
	}
	volume.Table = model.Table{Kind: model.KindVolume, New: func() model.Object { return new(model.Volume) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("project", func(o *model.Volume) model.ID { return o.Project }),
			index("region", func(o *model.Volume) model.ID { return o.Region }),
			index("pool", func(o *model.Volume) model.ID { return o.Pool }),
			index("template", func(o *model.Volume) model.ID { return o.Template }),
			index("kompute", func(o *model.Volume) model.ID { return o.Kompute })},
		Refs: []model.Ref{{Field: "project", To: model.KindProject, IDs: id(func(o *model.Volume) model.ID { return o.Project })},
			{Field: "region", To: model.KindRegion, IDs: id(func(o *model.Volume) model.ID { return o.Region })},
			{Field: "pool", To: model.KindPool, IDs: id(func(o *model.Volume) model.ID { return o.Pool })},
			{Field: "template", To: model.KindTemplate, IDs: id(func(o *model.Volume) model.ID { return o.Template })},
			{Field: "kompute", To: model.KindKompute, IDs: id(func(o *model.Volume) model.ID { return o.Kompute })}},
	}
	instance.Table = model.Table{Kind: model.KindInstance, New: func() model.Object { return new(model.Instance) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("project", func(o *model.Instance) model.ID { return o.Project }),
			index("zone", func(o *model.Instance) model.ID { return o.Zone }),
			index("kaktus", func(o *model.Instance) model.ID { return o.Kaktus }),
			index("kompute", func(o *model.Instance) model.ID { return o.Kompute }),
			{Name: "host", Keys: func(o model.Object) []string {
				return []string{cloudinit.Hostname(o.Base().Name, string(o.Base().ID))}
			}},
			indexes("adapter", func(o *model.Instance) []model.ID { return o.Adapters }),
			indexes("volume", func(o *model.Instance) []model.ID { return o.Volumes }),
			index("kwarantine", func(o *model.Instance) model.ID { return o.Kwarantine })},
		Refs: []model.Ref{{Field: "project", To: model.KindProject, IDs: id(func(o *model.Instance) model.ID { return o.Project })},
			{Field: "zone", To: model.KindZone, IDs: id(func(o *model.Instance) model.ID { return o.Zone })},
			{Field: "kaktus", To: model.KindKaktus, IDs: id(func(o *model.Instance) model.ID { return o.Kaktus })},
			{Field: "adapters", To: model.KindAdapter, IDs: ids(func(o *model.Instance) []model.ID { return o.Adapters })},
			{Field: "volumes", To: model.KindVolume, IDs: ids(func(o *model.Instance) []model.ID { return o.Volumes })},
			detached(func(o *model.Instance) *model.ID { return &o.Kwarantine })},
	}
	kompute.Table = model.Table{Kind: model.KindKompute, New: func() model.Object { return new(model.Kompute) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("project", func(o *model.Kompute) model.ID { return o.Project }),
			index("zone", func(o *model.Kompute) model.ID { return o.Zone }),
			index("instance", func(o *model.Kompute) model.ID { return o.Instance })},
		Refs: []model.Ref{{Field: "project", To: model.KindProject, IDs: id(func(o *model.Kompute) model.ID { return o.Project })},
			{Field: "zone", To: model.KindZone, IDs: id(func(o *model.Kompute) model.ID { return o.Zone })},
			detached(func(o *model.Kompute) *model.ID { return &o.Kwarantine })},
	}
}

func initPeopleTables() {
	user.Table = model.Table{Kind: model.KindUser, New: func() model.Object { return new(model.User) },
		Unique:  []model.Index{names, key("email", func(o *model.User) []string { return []string{foldEmail(o.Email)} })},
		Indexes: []model.Index{index("organization", func(o *model.User) model.ID { return o.Organization })},
		Refs:    []model.Ref{belongs(func(o *model.User) *model.ID { return &o.Organization })},
		Secrets: func(o model.Object) []*model.Secret { return []*model.Secret{&o.(*model.User).PasswordHash} },
	}
	team.Table = model.Table{Kind: model.KindTeam, New: func() model.Object { return new(model.Team) },
		Unique:  []model.Index{names},
		Indexes: []model.Index{indexes("user", func(o *model.Team) []model.ID { return o.Users })},
		Refs: []model.Ref{{Field: "users", To: model.KindUser, IDs: ids(func(o *model.Team) []model.ID { return o.Users }), OnDelete: model.Detach,
			Drop: func(o model.Object, id model.ID) { t := o.(*model.Team); t.Users = drop(t.Users, id) }},
			belongs(func(o *model.Team) *model.ID { return &o.Organization })},
	}
	token.Table = model.Table{Kind: model.KindToken, New: func() model.Object { return new(model.Token) },
		Unique: []model.Index{key("agent", func(o *model.Token) []string { return []string{string(o.Agent)} }),
			key("user", func(o *model.Token) []string { return []string{string(o.User)} }),
			key("prefix", func(o *model.Token) []string { return []string{o.Prefix} })},
		Refs: []model.Ref{{Field: "agent", To: model.KindAgent, IDs: id(func(o *model.Token) model.ID { return o.Agent }), OnDelete: model.Cascade},
			{Field: "user", To: model.KindUser, IDs: id(func(o *model.Token) model.ID { return o.User }), OnDelete: model.Cascade}},
		Secrets: func(o model.Object) []*model.Secret {
			t := o.(*model.Token)
			return []*model.Secret{&t.Hash, &t.Salt, &t.StoredKey, &t.ServerKey}
		},
	}
	session.Table = model.Table{Kind: model.KindSession, New: func() model.Object { return new(model.Session) },
		Indexes: []model.Index{index("user", func(o *model.Session) model.ID { return o.User })},
		Refs:    []model.Ref{{Field: "user", To: model.KindUser, IDs: id(func(o *model.Session) model.ID { return o.User }), OnDelete: model.Cascade}},
	}
}

// The kinds without a wire form.
var (
	settingTable = model.Table{Kind: model.KindSetting, New: func() model.Object { return new(model.Setting) },
		Unique:  []model.Index{names},
		Secrets: func(o model.Object) []*model.Secret { return []*model.Secret{&o.(*model.Setting).Value} },
	}
	proofTable = model.Table{Kind: model.KindProof, New: func() model.Object { return new(model.Proof) },
		Unique:  []model.Index{key("purpose", func(o *model.Proof) []string { return []string{string(o.User) + "|" + o.Purpose} })},
		Indexes: []model.Index{index("user", func(o *model.Proof) model.ID { return o.User })},
		Refs:    []model.Ref{{Field: "user", To: model.KindUser, IDs: id(func(o *model.Proof) model.ID { return o.User }), OnDelete: model.Cascade}},
		Secrets: func(o model.Object) []*model.Secret { return []*model.Secret{&o.(*model.Proof).Hash} },
	}
	pairTable   = model.Table{Kind: model.KindPair, New: func() model.Object { return new(model.Pair) }, Unique: []model.Index{names}}
	letterTable = model.Table{Kind: model.KindLetter, New: func() model.Object { return new(model.Letter) },
		Refs:    []model.Ref{{Field: "user", To: model.KindUser, IDs: id(func(o *model.Letter) model.ID { return o.User }), OnDelete: model.Cascade}},
		Secrets: func(o model.Object) []*model.Secret { return []*model.Secret{&o.(*model.Letter).Data} },
	}
)
