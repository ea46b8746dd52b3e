package fleet

import (
	"errors"
	"math"

	"github.com/stiggate/gate/internal/ledger"
)

var errAnswers = errors.New("fleet: the store has not answered to each state")

// Outage is what is granted while the store can't be asked.
type Outage uint8

// The rules. What is in hand is spent by each of them, while the lease is valid.
const (
	// SpendLease grants nothing beyond what is in hand.
	SpendLease Outage = iota
	// LocalShare grants this replica's part of what was left at the last answer, once.
	LocalShare
	// LocalLedger grants whatever this process alone would: a limit counts in each replica.
	LocalLedger
)

// local is what is left of a LocalShare.
type local struct {
	began bool
	left  float64
}

// without answers while the store can't be asked. Call it under the share's lock.
func (s *Share) without(p *Period, amount float64) ledger.Answer {
	switch s.of.Outage {
	case LocalLedger:
	case LocalShare:
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
