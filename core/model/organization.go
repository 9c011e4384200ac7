package model

// KindOrganization is the kind of boundaries between people.
const KindOrganization Kind = "organization"

// Organization groups users, teams and projects: its teams have its users alone, its projects list its
// teams alone. What names no organization is the installation's own. Its admins are the users of it that
// are marked as such.
type Organization struct {
	Meta
	Quotas Resources `json:"quotas"` // that the quotas of its projects share; 0 is unlimited
}

func (*Organization) Kind() Kind { return KindOrganization }

func (o *Organization) Clone() Object { c := *o; return &c }
