package fleet

import (
	"errors"
	"math"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/internal/ledger"
)

var errAnswers = errors.New("fleet: the store has not answered to each state")

// local is what is left of a LocalShare.
type local struct {
	began bool
	left  float64
}

// without answers while the store can't be asked. Call it under the share's lock.
func (s *Share) without(p *Period, amount float64) ledger.Answer {
	switch s.of.Outage {
	case fleet.LocalLedger:
	case fleet.LocalShare:
		if !s.local.began {
			s.local.began = true
			if g := s.book.last; g.Now.Epoch != "" {
				s.local.left = math.Floor(max(0, s.limit-g.Base-g.Plus-g.Out) / float64(max(1, g.Replicas)))
			}
		}
		if s.local.left < amount {
			return ledger.Unreachable
		}
		s.local.left -= amount
	default:
		return ledger.Unreachable
	}
	p.held += amount // the ledger has it, too
	s.of.activate(s)
	return ledger.Granted
}
