package place

import (
	"math"

	"kowabunga/core/model"
)

// gib is the unit memory is priced in.
const gib = 1 << 30

// tariff is what a host's promises cost: its monthly prices divided by everything it may promise.
type tariff struct {
	vcpu, gib float64
	currency  string // empty when both are free
}

// price reads a host's prices. Prices that are no finite, positive number count as none, so that a
// decision and a bill never contain NaN.
func price(host *model.Kaktus, room Room) tariff {
	t := tariff{vcpu: unit(host.CPUCost.Price, float64(room.Total.VCPUs)), gib: unit(host.MemoryCost.Price, float64(room.Total.Memory)/gib)}
	switch {
	case t.vcpu > 0 && t.gib > 0 && currency(host.CPUCost) != currency(host.MemoryCost):
		t.currency = "mixed"
	case t.vcpu > 0:
		t.currency = currency(host.CPUCost)
	case t.gib > 0:
		t.currency = currency(host.MemoryCost)
	}
	return t
}

func unit(price, amount float64) float64 {
	if !(price > 0) || math.IsInf(price, 0) || !(amount > 0) {
		return 0
	}
	return price / amount
}

func currency(c model.Cost) string {
	if c.Currency == "" {
		return "EUR"
	}
	return c.Currency
}

// of is the monthly price of a machine in millionths, a whole number so that hosts of equal price are
// equal whatever the rounding of their divisions.
func (t tariff) of(s model.Shape) int64 {
	// The conversions keep compilers from fusing the operations, which rounds differently on arm64.
	cpus, memory := float64(t.vcpu*float64(s.VCPUs)), float64(t.gib*(float64(s.Memory)/gib))
	micro := math.Round(float64(cpus+memory) * 1e6)
	if micro >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(micro)
}
