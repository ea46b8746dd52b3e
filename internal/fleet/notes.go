package fleet

import (
	"slices"
	"time"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/internal/ledger"
)

// notes remembers when a note was learned, by the clock of whoever tells counts. So nothing needs to
// be noted when Stigg is asked: the newest note that was known by then is found later. An older one is
// only more careful.
type notes struct {
	last note
	old  []note // in order, and apart
}

type note struct {
	tick ledger.Tick
	fleet.Note
}

const (
	mostNotes = 64
	// apart is how far notes are apart at least, in ticks, which are nanoseconds.
	apart = ledger.Tick(20 * time.Millisecond)
)

// add adds a note that is known from a tick on.
func (n *notes) add(tick ledger.Tick, now fleet.Note) {
	if n.last.Epoch != now.Epoch {
		n.old = n.old[:0]
	} else if k := len(n.old); k == 0 || n.last.tick >= n.old[k-1].tick+apart {
		if k == mostNotes { // the older, the farther apart
			n.old = slices.Delete(n.old, k/4, k/4+1)
		}
		n.old = append(n.old, n.last)
	}
	n.last = note{tick, now}
}

// at is what was known at a tick; the zero Note if that is not known any more.
func (n *notes) at(tick ledger.Tick) fleet.Note {
	if n.last.Epoch != "" && n.last.tick <= tick {
		return n.last.Note
	}
	for _, o := range slices.Backward(n.old) {
		if o.tick <= tick {
			return o.Note
		}
	}
	return fleet.Note{}
}
