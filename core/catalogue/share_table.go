package catalogue

import (
	"strings"

	"kowabunga/core/model"
)

// RecordKey is the key of the unique index "name" of records. Names of the DNS are equal whatever the
// case (RFC 4343).
func RecordKey(domain, name string) string {
	return strings.ToLower(domain) + "|" + strings.ToLower(name)
}

func initShareTables() {
	kiwi.Table = model.Table{Kind: model.KindKiwi, New: func() model.Object { return new(model.Kiwi) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("region", func(o *model.Kiwi) model.ID { return o.Region }),
			indexes("agent", func(o *model.Kiwi) []model.ID { return o.Agents })},
		Refs: []model.Ref{{Field: "region", To: model.KindRegion, IDs: id(func(o *model.Kiwi) model.ID { return o.Region })},
			{Field: "agents", To: model.KindAgent, IDs: ids(func(o *model.Kiwi) []model.ID { return o.Agents })}},
	}
	nfs.Table = model.Table{Kind: model.KindNFS, New: func() model.Object { return new(model.NFS) },
		Unique: []model.Index{names},
		Indexes: []model.Index{index("region", func(o *model.NFS) model.ID { return o.Region }),
			index("pool", func(o *model.NFS) model.ID { return o.Pool })},
		Refs: []model.Ref{{Field: "region", To: model.KindRegion, IDs: id(func(o *model.NFS) model.ID { return o.Region })},
			{Field: "pool", To: model.KindPool, IDs: id(func(o *model.NFS) model.ID { return o.Pool })}},
	}
	kylo.Table = model.Table{Kind: model.KindKylo, New: func() model.Object { return new(model.Kylo) },
		Unique: []model.Index{names, key("export", func(o *model.Kylo) []string { return []string{string(o.NFS) + "|" + decimal(o.ExportID)} })},
		Indexes: []model.Index{index("project", func(o *model.Kylo) model.ID { return o.Project }),
			index("region", func(o *model.Kylo) model.ID { return o.Region }),
			index("nfs", func(o *model.Kylo) model.ID { return o.NFS })},
		Refs: []model.Ref{{Field: "project", To: model.KindProject, IDs: id(func(o *model.Kylo) model.ID { return o.Project })},
			{Field: "region", To: model.KindRegion, IDs: id(func(o *model.Kylo) model.ID { return o.Region })},
			{Field: "nfs", To: model.KindNFS, IDs: id(func(o *model.Kylo) model.ID { return o.NFS })}},
	}
	record.Table = model.Table{Kind: model.KindRecord, New: func() model.Object { return new(model.Record) },
		Unique: []model.Index{key("name", func(o *model.Record) []string { return []string{RecordKey(o.Domain, o.Name)} })},
		Indexes: []model.Index{index("project", func(o *model.Record) model.ID { return o.Project }),
			index("region", func(o *model.Record) model.ID { return o.Region })},
		Refs: []model.Ref{{Field: "project", To: model.KindProject, IDs: id(func(o *model.Record) model.ID { return o.Project })},
			{Field: "region", To: model.KindRegion, IDs: id(func(o *model.Record) model.ID { return o.Region })}},
	}
}
