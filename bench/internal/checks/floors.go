package checks

import (
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/world"
)

// floors are lookups of a customer, without any decision.
func (f *field) floors() []measure.Contestant {
	var table atomic.Pointer[map[gate.Customer]*world.Counter]
	m := world.Counters(f.customers)
	bounded, err := lru.New[gate.Customer, *world.Counter](len(f.customers))
	if err != nil {
		panic(err) // of a size below 1
	}
	// Otter may evict earlier than it says; what it then misses is a lookup, too.
	ott := otter.Must(&otter.Options[gate.Customer, *world.Counter]{MaximumSize: 2 * len(f.customers)})
	for c, known := range m {
		bounded.Add(c, known)
		ott.Set(c, known)
	}
	table.Store(&m)
	return []measure.Contestant{
		{Name: Floor, Loop: func(worker, n int) {
			from, mask := f.traffic.Take(worker, n)
			for i := from; i < from+n; i++ {
				c := (*table.Load())[f.asks[i&mask]]
				if time.Now().After(c.Fresh) || c.Used >= c.Limit {
					panic("refused")
				}
			}
		}},
		{Name: "copy-on-write map", Loop: func(worker, n int) {
			from, mask := f.traffic.Take(worker, n)
			for i := from; i < from+n; i++ {
				if c := (*table.Load())[f.asks[i&mask]]; c.Used >= c.Limit {
					panic("refused")
				}
			}
		}},
		{Name: LRU, Loop: func(worker, n int) {
			from, mask := f.traffic.Take(worker, n)
			for i := from; i < from+n; i++ {
				if c, ok := bounded.Get(f.asks[i&mask]); !ok || c.Used >= c.Limit {
					panic("refused")
				}
			}
		}},
		{Name: "otter GetIfPresent", Loop: func(worker, n int) {
			from, mask := f.traffic.Take(worker, n)
			for i := from; i < from+n; i++ {
				if c, ok := ott.GetIfPresent(f.asks[i&mask]); ok && c.Used >= c.Limit {
					panic("refused")
				}
			}
		}},
	}
}
