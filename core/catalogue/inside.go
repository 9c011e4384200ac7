package catalogue

import (
	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// inside are the fields that no API shows with the object, but that people who ask what changed want to
// know. They are named as v2 would name them.
var inside = map[model.Kind][]Field{
	model.KindRegion: {related("default_pool", func(o *model.Region) *model.ID { return &o.DefaultPool }, model.KindPool),
		related("default_nfs", func(o *model.Region) *model.ID { return &o.DefaultNFS }, model.KindNFS)},
	model.KindVNet:   {related("default_subnet", func(o *model.VNet) *model.ID { return &o.DefaultSubnet }, model.KindSubnet)},
	model.KindSubnet: {related("project_id", func(o *model.Subnet) *model.ID { return &o.Project }, model.KindProject)},
	model.KindPool: {related("default_template", func(o *model.Pool) *model.ID { return &o.DefaultTemplate }, model.KindTemplate),
		integer("capacity", -1, func(o *model.Pool) *int64 { return &o.Capacity }),
		integer("available", -1, func(o *model.Pool) *int64 { return &o.Available })},
	model.KindTemplate: {str("sha256", -1, func(o *model.Template) *string { return &o.SHA256 }),
		integer("size", -1, func(o *model.Template) *int64 { return &o.Size })},
	model.KindKaktus: {nested("caps", -1, "", func(o *model.Kaktus) *model.Caps { return &o.Caps }, []Field{
		str("arch", 0, func(c *model.Caps) *string { return &c.Arch }),
		str("model", 0, func(c *model.Caps) *string { return &c.Model }),
		integer("threads", 0, func(c *model.Caps) *int64 { return &c.Threads }),
		integer("memory", 0, func(c *model.Caps) *int64 { return &c.Memory })})},
	model.KindProject: {objects("gateways", -1, "", func(o *model.Project) *[]model.Gateway { return &o.Gateways }, []Field{
		related("zone", func(g *model.Gateway) *model.ID { return &g.Zone }, model.KindZone),
		str("address", 0, func(g *model.Gateway) *string { return &g.Address })})},
	model.KindAdapter: {related("kompute_id", func(o *model.Adapter) *model.ID { return &o.Kompute }, model.KindKompute)},
	model.KindVolume: {related("pool_id", func(o *model.Volume) *model.ID { return &o.Pool }, model.KindPool),
		related("template_id", func(o *model.Volume) *model.ID { return &o.Template }, model.KindTemplate),
		related("kompute_id", func(o *model.Volume) *model.ID { return &o.Kompute }, model.KindKompute)},
	model.KindInstance: {related("kaktus_id", func(o *model.Instance) *model.ID { return &o.Kaktus }, model.KindKaktus),
		related("kompute_id", func(o *model.Instance) *model.ID { return &o.Kompute }, model.KindKompute),
		str("os", -1, func(o *model.Instance) *string { return &o.OS }),
		boolean("run", -1, func(o *model.Instance) *bool { return &o.Run })},
	model.KindKompute: {related("instance_id", func(o *model.Kompute) *model.ID { return &o.Instance }, model.KindInstance),
		boolean("public", -1, func(o *model.Kompute) *bool { return &o.Public })},
	model.KindNode: {related("kaktus_id", func(o *model.Node) *model.ID { return &o.Kaktus }, model.KindKaktus)},
	model.KindKylo: {related("nfs_id", func(o *model.Kylo) *model.ID { return &o.NFS }, model.KindNFS)},
	model.KindUser: {secret("password", -1, func(o *model.User) *model.Secret { return &o.PasswordHash })},
	model.KindToken: {related("agent_id", func(o *model.Token) *model.ID { return &o.Agent }, model.KindAgent),
		related("user_id", func(o *model.Token) *model.ID { return &o.User }, model.KindUser),
		secret("key", -1, func(o *model.Token) *model.Secret { return &o.Hash }),
		secret("stored_key", -1, func(o *model.Token) *model.Secret { return &o.StoredKey })},
	model.KindPair: {str("epoch", -1, func(o *model.Pair) *string { return &o.Epoch }),
		str("primary", -1, func(o *model.Pair) *string { return &o.Primary }),
		list("nodes", -1, func(o *model.Pair) *[]string { return &o.Nodes }),
		list("in_sync", -1, func(o *model.Pair) *[]string { return &o.InSync }),
		list("witnesses", -1, func(o *model.Pair) *[]string { return &o.Witnesses }),
		str("mode", -1, func(o *model.Pair) *string { return &o.Mode })},
	operation.Kind: {boolean("cancel", -1, func(o *operation.Operation) *bool { return &o.Cancel }),
		word("state", func(o *operation.Operation) *operation.State { return &o.State })},
}

// word binds one of some words.
func word[T any, W ~string](name string, at func(*T) *W) Field {
	f := field(name, -1, String, []Option{ReadOnly})
	bindScalar(&f, at, func(b []byte, w W) []byte { return appendString(b, string(w)) },
		func(f *Field, raw []byte, path string) (W, error) {
			s, err := readString(f, raw, path)
			return W(s), err
		})
	return f
}

// related binds the id of another object.
func related[T any](name string, at func(*T) *model.ID, kind model.Kind) Field {
	f := field(name, -1, String, []Option{Ref(kind), ReadOnly})
	bindScalar(&f, at, func(b []byte, id model.ID) []byte { return appendString(b, string(id)) },
		func(f *Field, raw []byte, path string) (model.ID, error) {
			s, err := readString(f, raw, path)
			return model.ID(s), err
		})
	return f
}
