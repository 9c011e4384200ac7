package cost

import (
	"cmp"
	"slices"

	"kowabunga/core/model"
)

// amounts are sums of money by currency, in millionths, each more than nothing.
type amounts []amount

type amount struct {
	currency string
	micro    int64
}

func (a *amounts) add(currency string, micro int64) {
	if micro <= 0 {
		return
	}
	for i := range *a {
		if (*a)[i].currency == currency {
			(*a)[i].micro = min((*a)[i].micro+min(micro, most), most)
			return
		}
	}
	*a = append(*a, amount{currency, min(micro, most)})
}

func (a *amounts) merge(b amounts) {
	for _, x := range b {
		a.add(x.currency, x.micro)
	}
}

// costs are the sums, the largest first.
func (a amounts) costs() []model.Cost {
	sorted := slices.Clone(a)
	slices.SortFunc(sorted, func(x, y amount) int {
		return cmp.Or(-cmp.Compare(x.micro, y.micro), cmp.Compare(x.currency, y.currency))
	})
	out := make([]model.Cost, 0, len(sorted))
	for _, x := range sorted {
		out = append(out, model.Cost{Price: float64(x.micro) / 1e6, Currency: x.currency})
	}
	return out
}
