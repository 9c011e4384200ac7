package cost

import (
	"math"

	"kowabunga/core/model"
	"kowabunga/core/place"
)

// Euro is the currency of prices that name none.
const Euro = "EUR"

// gib is the unit that memory and storage are priced in.
const gib = 1 << 30

// rate is the price of one unit a month.
type rate struct {
	price    float64
	currency string
}

// per divides a monthly price by the amount it buys. Prices and amounts that are no finite, positive
// numbers make a rate of nothing.
func per(c model.Cost, amount float64) rate {
	r := rate{currency: c.Currency}
	if r.currency == "" {
		r.currency = Euro
	}
	if c.Price > 0 && !math.IsInf(c.Price, 0) && amount > 0 {
		r.price = c.Price / amount
	}
	return r
}

// of is what an amount costs, in millionths.
func (r rate) of(amount float64) int64 {
	micro := math.Round(r.price * amount * 1e6)
	switch {
	case !(micro > 0):
		return 0
	case micro >= most:
		return most
	}
	return int64(micro)
}

// most bounds every sum of millionths, far from the end of int64: more than a hundred billion a month.
const most = 1 << 57

// machine is the price of a shape on its host.
func machine(v model.View, host model.ID, shape model.Shape) amounts {
	k, ok := model.Find[*model.Kaktus](v, host)
	if !ok {
		return nil
	}
	room, _ := place.Capacity(k)
	vcpu := per(k.CPUCost, float64(room.Total.VCPUs))
	memory := per(k.MemoryCost, float64(room.Total.Memory)/gib)
	var out amounts
	out.add(vcpu.currency, vcpu.of(float64(shape.VCPUs)))
	out.add(memory.currency, memory.of(float64(shape.Memory)/gib))
	return out
}

// storage is the price of bytes in a pool.
func storage(v model.View, pool model.ID, bytes int64) amounts {
	p, ok := model.Find[*model.Pool](v, pool)
	if !ok {
		return nil
	}
	r := per(p.Cost, float64(p.Capacity)/gib)
	var out amounts
	out.add(r.currency, r.of(float64(bytes)/gib))
	return out
}
