package metadata

// Kawaii is what a node of a project's gateway configures itself from.
type Kawaii struct {
	PublicInterface      string       `json:"public_interface"`
	PrivateInterface     string       `json:"private_interface"`
	PeeringInterfaces    []string     `json:"peering_interfaces"`
	VRRPControlInterface string       `json:"vrrp_control_interface"`
	PublicVIPs           []string     `json:"public_vip_addresses"`
	PublicGateway        string       `json:"public_gw_address"`
	VirtualIPs           []VirtualIP  `json:"virtual_ips"`
	InputDefault         string       `json:"fw_input_default"` // "accept" or "drop", as the other defaults
	OutputDefault        string       `json:"fw_output_default"`
	ForwardDefault       string       `json:"fw_forward_default"`
	InputExtraNetworks   []string     `json:"fw_input_extra_networks"` // where SSH to the gateway is let in from
	InputRules           []Rule       `json:"fw_input_rules"`
	OutputRules          []Rule       `json:"fw_output_rules"`
	ForwardRules         []Rule       `json:"fw_forward_rules"`
	NATRules             []NAT        `json:"fw_nat_rules"`
	IPsec                []Connection `json:"ipsec_connections"`
}

// VirtualIP is an address that VRRP gives to one node of a group.
type VirtualIP struct {
	VRRP      int    `json:"vrrp_id"` // 1 to 255 (RFC 9568 section 5.2.3)
	Interface string `json:"interface"`
	VIP       string `json:"vip"`
	Priority  int    `json:"priority"` // 150 on the node that should have it, 100 on the others
	Mask      int    `json:"mask"`     // prefix length
	Public    bool   `json:"public"`
}

// Rule is a rule of the packet filter.
type Rule struct {
	InputInterface  string `json:"iifname,omitempty"`
	OutputInterface string `json:"oifname,omitempty"`
	Source          string `json:"source_ip,omitempty"`
	Destination     string `json:"destination_ip,omitempty"`
	Direction       string `json:"direction,omitempty"` // peerings: "out" means the destination's ports, "in" the source's
	Protocol        string `json:"protocol"`
	Ports           string `json:"ports"`  // numbers and ranges, with commas
	Action          string `json:"action"` // "accept", "drop" or "forward"
}

// NAT hands ports of a public address to a private one.
type NAT struct {
	PrivateIP string `json:"private_ip"`
	PublicIP  string `json:"public_ip"`
	Protocol  string `json:"protocol"`
	Ports     string `json:"ports"`
}

// Connection is an IPsec tunnel. The pre-shared key is in the clear: only the gateway reads it.
type Connection struct {
	Name             string `json:"name"`
	IP               string `json:"ip"`
	XFRM             uint8  `json:"xfrm_id"`
	RemotePeer       string `json:"remote_peer"`
	RemoteSubnet     string `json:"remote_subnet"`
	PreSharedKey     string `json:"pre_shared_key"`
	DPDTimeout       string `json:"dpd_timeout"`
	DPDAction        string `json:"dpd_action"`
	StartAction      string `json:"start_action"`
	Rekey            string `json:"rekey"`
	Phase1Lifetime   string `json:"phase1_lifetime"`
	Phase1DHGroup    string `json:"phase1_df_group"` // spelt so by the earlier releases
	Phase1Integrity  string `json:"phase1_integrity_algorithm"`
	Phase1Encryption string `json:"phase1_encryption_algorithm"`
	Phase2Lifetime   string `json:"phase2_lifetime"`
	Phase2DHGroup    string `json:"phase2_df_group"`
	Phase2Integrity  string `json:"phase2_integrity_algorithm"`
	Phase2Encryption string `json:"phase2_encryption_algorithm"`
	IngressRules     []Rule `json:"ingress_rules"`
}

// Konvey is what a node of a load balancer configures itself from.
type Konvey struct {
	PrivateInterface     string      `json:"private_interface"`
	VRRPControlInterface string      `json:"vrrp_control_interface"`
	VirtualIPs           []VirtualIP `json:"virtual_ips"`
	Endpoints            []Endpoint  `json:"endpoints"`
}

// Endpoint is a port the load balancer answers on.
type Endpoint struct {
	Name     string    `json:"name"`
	Port     int64     `json:"port"`
	Protocol string    `json:"protocol"` // "tcp" or "udp"
	Backends []Backend `json:"backends"`
}

// Backend is where connections of an endpoint go.
type Backend struct {
	Host string `json:"host"`
	Port int64  `json:"port"`
}
