// Package wire is the contract for whole desired states of the network: what Kahuna computes, the agents
// of a Kiwi and of a Kaktus hold, and the programs that forward packets carry out.
//
// # Documents
//
// A document is one JSON object that begins with the version of its schema:
//
//   - KiwiState, the desired state "kiwi": the routers of one region. All agents of the region's Kiwis
//     hold the same one.
//   - ServicesState, the desired state "services": the gateways and load balancers on one Kaktus, as a
//     KawaiiState and a KonveyState for each node.
//
// A document is always whole. What it does not list any more is to vanish; there are no partial updates
// and no commands. It names nothing of another region.
//
// # Versions
//
// A reader refuses documents whose schema it does not know. Fields may be added under the same schema:
// readers ignore members they do not know, and absent ones mean their zero value. The schema is raised
// when the meaning of what is there changes.
//
// # Canonical form
//
// Encode writes every member of a document on a line of its own and every entry of a list on a line of
// its own, in an order that depends on nothing but the content: by subnet, project and object, in the
// order of their creation. So the texts of two states differ in as many lines as entries changed, and
// comparing bytes compares states. On the way to an agent the line breaks may be lost; Decode and Encode
// bring them back.
//
// # Secrets
//
// The pre-shared keys of tunnels are in the documents, because only the gateway can use them. Their type
// is model.Secret, which fmt, log/slog and encoding/json mask; Encode alone reveals them. Agents keep the
// documents in files of mode 0600.
//
// # Units
//
// Addresses are IPv4 in text, with a prefix length where a length matters; times are seconds where a name
// says nothing else; ports are written as "80,443,8000-8080".
package wire
