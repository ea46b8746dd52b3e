package gate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/stiggate/gate/internal/ledger"
)

// txStep is one step of the life of a ticket whose usage may be put into transactions.
type txStep uint8

const (
	txSettleIn txStep = iota
	txSettleInFails
	txCommit
	txRollBack
	txUse
	txSettle
	txRelease
	txDeaf   // the outbox does not answer any more
	txAnswer // it does again
	txWait
	txSteps
)

// txTicket is a ticket as the model sees it.
type txTicket struct {
	*Ticket
	held, use float64
	entrusted []*appTx
	open      *appTx
	ended     bool
	settled   bool // by hand, and not released
}

// committed reports whether a transaction with its usage has.
func (k *txTicket) committed() bool {
	return slices.ContainsFunc(k.entrusted, func(x *appTx) bool { return x.committed })
}

// undecided reports whether one is open.
func (k *txTicket) undecided() bool {
	return slices.ContainsFunc(k.entrusted, func(x *appTx) bool { return !x.over })
}

// step makes a step with a ticket and the model. It returns what is wrong.
func (k *txTicket) step(box *txOutbox, do txStep, n float64) string {
	fails := func(TxOutbox, []Usage) error { return errStubDown }
	switch do {
	case txSettleIn, txSettleInFails:
		if k.open != nil {
			return "" // an app ends one transaction before it begins the next
		}
		x := box.begin()
		store := x.put
		if do == txSettleInFails {
			store = fails
		}
		err := k.SettleIn(store)
		if want := do == txSettleInFails || k.ended; (err != nil) != want {
			return fmt.Sprintf("SettleIn: %v, it has ended: %t", err, k.ended)
		}
		if err == nil {
			k.entrusted, k.open = append(k.entrusted, x), x
		}
	case txCommit, txRollBack:
		if k.open != nil {
			k.open.end(do == txCommit)
			k.open = nil
		}
	case txUse:
		fixed := k.ended || len(k.entrusted) > 0
		if err := k.Use(n); (err != nil) != fixed {
			return fmt.Sprintf("Use: %v, it is fixed: %t", err, fixed)
		}
		if !fixed {
			k.use = n
		}
	case txSettle, txRelease:
		var err error
		if do == txSettle {
			err = k.Settle()
		} else {
			k.Release()
		}
		if do == txSettle && (err != nil) != k.ended {
			return fmt.Sprintf("Settle: %v, it has ended: %t", err, k.ended)
		}
		if !k.ended {
			k.ended, k.settled = true, do == txSettle
		}
	}
	return ""
}

// bounds are between what the ledger must count of it at least and at most: what is held or used.
func (k *txTicket) bounds(settling bool) (least, most float64) {
	switch {
	case !k.ended:
		return k.held, k.held
	case len(k.entrusted) == 0 && k.settled, k.committed() && !settling:
		return k.use, k.use
	case len(k.entrusted) == 0, k.use == 0: // nothing is entrusted, and nobody has to be asked
		return 0, 0
	case k.committed(): // it counts as held or as used
		return min(k.held, k.use), max(k.held, k.use)
	case k.undecided():
		return k.held, k.held
	case settling: // it is not known yet that it was rolled back
		return 0, k.held
	}
	return 0, 0
}

// TestTicketsInTransactionsCountWhatIsTrue makes random steps with some tickets, and compares what the
// ledger counts and what is reported with a model.
func TestTicketsInTransactionsCountWhatIsTrue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type move struct {
			ticket int
			do     txStep
			n      float64
		}
		moves := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) move {
			return move{rapid.IntRange(0, 2).Draw(rt, "ticket"), txStep(rapid.IntRange(0, int(txSteps)-1).Draw(rt, "step")), float64(rapid.IntRange(0, 4).Draw(rt, "n"))}
		}), 0, 30).Draw(rt, "moves")
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			s, box := &stub{set: features(metered("f", 0, 1000))}, &txOutbox{free: true}
			g := gateOf(t, s, WithOutbox(box), WithTTL(24*time.Hour))
			tickets := make([]*txTicket, 3)
			for i := range tickets {
				held := float64(i + 1)
				ticket, d := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(held))
				if !d.Allowed {
					t.Fatal(d)
				}
				tickets[i] = &txTicket{Ticket: ticket, held: held, use: held}
			}
			deaf := false
			check := func(settling bool) {
				book := g.ledger.Open(ledger.Owner{ID: "c"})
				balance := book.Feature("f").Present(time.Now(), ledger.Cycle{})
				book.Unpin()
				least, most := 0.0, 0.0
				for _, k := range tickets {
					l, m := k.bounds(settling)
					least, most = least+l, most+m
				}
				if n := balance.Known() + balance.Held; n < least || n > most {
					problem = fmt.Sprintf("the ledger counts %v, want %v to %v", n, least, most)
				}
			}
			for _, m := range moves {
				switch m.do {
				case txDeaf, txAnswer:
					deaf = m.do == txDeaf
					box.turnDeaf(nil)
					if deaf {
						box.turnDeaf(errStubDown)
					}
				case txWait:
					time.Sleep(time.Minute)
				}
				if p := tickets[m.ticket].step(box, m.do, m.n); p != "" && problem == "" {
					problem = p
				}
				synctest.Wait()
				if check(deaf || m.do != txWait); problem != "" {
					return
				}
			}
			box.turnDeaf(nil)
			want := 0.0
			for _, k := range tickets {
				if k.open != nil {
					k.open.end(false)
				}
				k.Release()
				if k.committed() || len(k.entrusted) == 0 && k.ended && k.settled {
					want += k.use
				}
			}
			if err := g.Close(t.Context()); err != nil {
				problem = err.Error()
			}
			got, keys := 0.0, map[string]bool{}
			for _, u := range s.usages() {
				got += u.Value
				if keys[u.Key] {
					problem = "a usage was reported twice"
				}
				keys[u.Key] = true
			}
			if got != want {
				problem = fmt.Sprintf("%v units are reported, want %v", got, want)
			}
			problem += strings.Join(append(append(g.queue.Audit(), g.ledger.Audit()...), box.keys()...), "; ")
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}
