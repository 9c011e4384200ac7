package place

import (
	"fmt"

	"kowabunga/core/model"
	"kowabunga/core/trace"
)

// String says what is promised of what may be.
func (r Room) String() string {
	return fmt.Sprintf("%d of %d CPUs and %s of %s taken", r.Taken.VCPUs, r.Total.VCPUs, trace.Size(r.Taken.Memory), trace.Size(r.Total.Memory))
}

// row is a host as placement sees it.
type row struct {
	id     model.ID
	name   string
	agents []model.ID
	room   Room
	tariff tariff
	class  int32 // of its table: hosts of one tariff are of one
	ready  bool
	rests  bool // in maintenance
	known  bool // its size was reported
}

func newRow(host *model.Kaktus) row {
	room, known := Capacity(host)
	return row{
		id: host.ID, name: host.Name, agents: host.Agents, room: room, known: known, tariff: price(host, room), rests: host.Maintenance,
		ready: host.Phase == model.Ready || host.Phase == model.Updating,
	}
}

// score is how good a host is for a machine; smaller is better, first field first.
type score struct {
	price int64 // millionths a month, 0 where currencies differ
	mates int32
	load  float64
	id    model.ID
}

func (a score) better(b score) bool {
	switch {
	case a.price != b.price:
		return a.price < b.price
	case a.mates != b.mates:
		return a.mates < b.mates
	case a.load != b.load:
		return a.load < b.load
	}
	return a.id < b.id
}

// rate scores a host that has the room, at the price the machine has there.
func (t *table) rate(at int, q *query, price int64) score {
	r := &t.rows[at]
	return score{price: price, mates: t.lean[at].mates, load: r.room.load(q.Shape), id: r.id}
}

// lean is what of a row nearly every decision looks at. A large zone's fit into a processor's cache, and
// are all that is read of hosts that are full or lose at once.
type lean struct {
	free, total  model.Shape
	largest      int64
	class, mates int32 // mates: machines of the project that asks
}

// load is that of the row's room.
func (l *lean) load(s model.Shape) float64 {
	return Room{Total: l.total, Taken: minus(l.total, l.free)}.load(s)
}

// table is the hosts of a zone.
type table struct {
	rows       []row
	lean       []lean // of each row
	tariffs    []tariff
	classes    map[tariff]int32 // positions in tariffs
	prices     []int64          // scratch
	currencies map[string]int   // hosts that charge in each
}

// add appends a row with so many mates.
func (t *table) add(r row, mates int32) {
	if t.currencies == nil {
		t.currencies, t.classes = map[string]int{}, map[tariff]int32{}
	}
	if c := r.tariff.currency; c != "" {
		t.currencies[c]++
	}
	if len(t.tariffs) > 2*len(t.rows)+16 {
		t.classify() // most are of hosts that are gone or charge otherwise now
	}
	r.class = t.class(r.tariff)
	t.rows, t.lean = append(t.rows, r), append(t.lean, lean{mates: mates})
	t.refresh(len(t.rows) - 1)
}

// remove takes a row out, moving the last one into the gap.
func (t *table) remove(at int) {
	c := t.rows[at].tariff.currency
	if t.currencies[c]--; t.currencies[c] <= 0 {
		delete(t.currencies, c)
	}
	last := len(t.rows) - 1
	t.rows[at], t.lean[at] = t.rows[last], t.lean[last]
	t.rows[last] = row{}
	t.rows, t.lean = t.rows[:last], t.lean[:last]
}

// refresh brings the lean form of a row up to date.
func (t *table) refresh(at int) {
	r := &t.rows[at]
	t.lean[at] = lean{free: minus(r.room.Total, r.room.Taken), total: r.room.Total, largest: r.room.Largest, class: r.class, mates: t.lean[at].mates}
}

func (t *table) class(of tariff) int32 {
	n, ok := t.classes[of]
	if !ok {
		n = int32(len(t.tariffs))
		t.tariffs, t.classes[of] = append(t.tariffs, of), n
	}
	return n
}

// classify numbers the tariffs anew.
func (t *table) classify() {
	t.tariffs = t.tariffs[:0]
	clear(t.classes)
	for i := range t.rows {
		t.rows[i].class = t.class(t.rows[i].tariff)
		t.refresh(i)
	}
}

// priced tells whether the prices of this zone may be compared. Amounts of unlike currencies may not.
func (t *table) priced() bool { return len(t.currencies) <= 1 && t.currencies["mixed"] == 0 }

// pricesOf is what a machine costs on the hosts of each class, 0 where prices may not be compared.
func (t *table) pricesOf(s model.Shape, priced bool) []int64 {
	t.prices = t.prices[:0]
	for _, of := range t.tariffs {
		price := int64(0)
		if priced {
			price = of.of(s)
		}
		t.prices = append(t.prices, price)
	}
	return t.prices
}
