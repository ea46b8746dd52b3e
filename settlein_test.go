package gate

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// txOutbox is an outbox that transactions put usage into.
type txOutbox struct {
	memOutbox
	mu   sync.Mutex
	deaf error // it does not say what became of them
	in   map[string][]*appTx
	asks int
	free bool // it takes what is in no transaction, too
}

// appTx is a transaction of an app's.
type appTx struct {
	box             *txOutbox
	usages          []Usage
	committed, over bool
}

func (o *txOutbox) begin() *appTx { return &appTx{box: o} }

// put is what SettleIn is given.
func (x *appTx) put(box TxOutbox, u []Usage) error {
	o := box.(*txOutbox)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.in == nil {
		o.in = make(map[string][]*appTx)
	}
	for i := range u {
		o.in[u[i].Key] = append(o.in[u[i].Key], x)
	}
	x.usages = append(x.usages, u...)
	return nil
}

// end commits, or rolls back.
func (x *appTx) end(commit bool) {
	x.box.mu.Lock()
	defer x.box.mu.Unlock()
	x.over, x.committed = true, commit
	if commit {
		_ = x.box.memOutbox.Append(context.Background(), x.usages...)
	}
}

func (o *txOutbox) Append(ctx context.Context, u ...Usage) error {
	if o.free {
		return o.memOutbox.Append(ctx, u...)
	}
	return errors.New("it has that already")
}

func (o *txOutbox) Kept(_ context.Context, u ...Usage) (kept, over []bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asks++
	if o.deaf != nil {
		return nil, nil, o.deaf
	}
	for i := range u {
		in := o.in[u[i].Key]
		kept = append(kept, slices.ContainsFunc(in, func(x *appTx) bool { return x.committed }))
		over = append(over, !slices.ContainsFunc(in, func(x *appTx) bool { return !x.over }))
	}
	return kept, over, nil
}

func (o *txOutbox) turnDeaf(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deaf = err
}

// settledIn has a handler settle its ticket in a transaction, end it and answer.
func settledIn(t *testing.T, x *appTx, commit bool, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := TicketFrom(r.Context()).SettleIn(x.put); err != nil {
			t.Error(err)
		}
		x.end(commit)
		w.WriteHeader(status)
	}
}

// left asserts how much of a limit of 5 of the feature f customer c has left, as far as the gate knows.
func left(t *testing.T, g *Gate, want int) {
	t.Helper()
	d := g.Check(t.Context(), Customer{ID: "c"}, Feature("f").Uses(float64(want)))
	more := g.Check(t.Context(), Customer{ID: "c"}, Feature("f").Uses(float64(want+1)))
	if !d.Allowed || more.Allowed {
		t.Errorf("of f %v and no more should be left: %v is allowed: %t, %v: %t", want, want, d.Allowed, want+1, more.Allowed)
	}
}

// quiet asserts that nothing is left in the gate after its Close.
func quiet(t *testing.T, g *Gate) {
	t.Helper()
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if what := append(g.queue.Audit(), g.ledger.Audit()...); len(what) > 0 {
		t.Errorf("left: %s", strings.Join(what, "; "))
	}
}

// txFixture is a gate with such an outbox, in front of a Stigg.
func txFixture(t *testing.T, options ...Option) (*Gate, *txOutbox, *stub) {
	s, box := &stub{set: features(metered("f", 0, 5), metered("h", 0, 5))}, &txOutbox{}
	return gateOf(t, s, append(options, WithOutbox(box), WithTTL(48*time.Hour))...), box, s
}

func TestTheTransactionDecidesWhatIsUsedWhateverIsAnswered(t *testing.T) {
	for _, test := range []struct {
		name     string
		commit   bool
		status   int
		reported int
	}{
		{"it commits, and the handler succeeds", true, 201, 1},
		{"it commits, and then the handler fails", true, 500, 1},
		{"it is rolled back, and the handler says so", false, 500, 0},
		{"it is rolled back, and the handler answers 200 all the same", false, 200, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := 0
				g, box, s := txFixture(t, WithObserver(Observer{Settled: func(_ context.Context, _ Decision, o Outcome, reported []Usage) {
					told++
					if o.Status != test.status || len(reported) != test.reported {
						t.Errorf("observers are told of %d, and %d usages", o.Status, len(reported))
					}
				}}))
				x := box.begin()
				serve(t, g, Feature("f").Uses(2), request("POST", "/", "c"), settledIn(t, x, test.commit, test.status))
				left(t, g, 5-2*test.reported)
				quiet(t, g)
				if got := s.usages(); len(got) != test.reported || told != 1 {
					t.Fatalf("reported: %+v; observers were told %d times", got, told)
				} else if test.reported == 1 && (got[0].Key != x.usages[0].Key || !got[0].CreatedAt.Equal(x.usages[0].CreatedAt) || got[0].Value != 2) {
					t.Errorf("reported: %+v, want what was put into the transaction: %+v", got[0], x.usages[0])
				}
				if keys := box.keys(); len(keys) != 0 {
					t.Errorf("left in the outbox: %v", keys)
				}
			})
		})
	}
}

func TestAfterSettleInTheAmountIsFixedAndStaysHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, box, s := txFixture(t)
		ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(2).ReportAs(Event{Name: "e"}))
		if err := errors.Join(ticket.Use(1), ticket.Dimension("a", 1)); err != nil {
			t.Fatal(err)
		}
		x := box.begin()
		if err := ticket.SettleIn(x.put); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{"Use": ticket.Use(2), "Extend": ticket.Extend(1), "Dimension": ticket.Dimension("b", 1)} {
			if !errors.Is(err, ErrSettled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := ticket.Held(); n != 2 {
			t.Errorf("%v is held", n)
		}
		left(t, g, 3)
		x.end(true)
		ticket.Release() // it is the same as Settle
		if err := ticket.Settle(); !errors.Is(err, ErrSettled) {
			t.Errorf("the second end: %v", err)
		}
		if err := ticket.SettleIn(x.put); !errors.Is(err, ErrSettled) {
			t.Errorf("SettleIn after the end: %v", err)
		}
		quiet(t, g)
		if u := s.usages(); len(u) != 1 || u[0].Value != 1 || u[0].Event != "e" || len(u[0].Dimensions) != 1 || u[0].Key != x.usages[0].Key {
			t.Errorf("reported: %+v", u)
		}
	})
}

func TestAStoreThatFailsChangesNothing(t *testing.T) {
	failed := errors.New("the transaction is aborted")
	for name, store := range map[string]func(TxOutbox, []Usage) error{
		"it returns an error": func(TxOutbox, []Usage) error { return failed },
		"it panics":           func(TxOutbox, []Usage) error { panic(failed) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, box := &stub{set: features(metered("f", 0, 5))}, &memTxOutbox{}
				g := gateOf(t, s, WithOutbox(box))
				ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
				func() {
					defer func() { _ = recover() }()
					if err := ticket.SettleIn(store); !errors.Is(err, failed) {
						t.Error(err)
					}
				}()
				if err := errors.Join(ticket.Extend(1), ticket.Use(3), ticket.Settle()); err != nil {
					t.Error(err)
				}
				quiet(t, g)
				if u := s.usages(); len(u) != 1 || u[0].Value != 3 {
					t.Errorf("reported: %+v", u)
				}
			})
		})
	}
}

// memTxOutbox takes what is settled without a transaction, too.
type memTxOutbox struct{ memOutbox }

func (*memTxOutbox) Kept(context.Context, ...Usage) (kept, over []bool, err error) {
	return nil, nil, errors.New("nobody asks")
}

func TestSettleInNeedsAnOutboxThatTakesPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := func(TxOutbox, []Usage) error { t.Error("it is stored"); return nil }
		for name, options := range map[string][]Option{"none": nil, "another one": {WithOutbox(&memOutbox{})}} {
			s := &stub{set: features(metered("f", 0, 5))}
			g := gateOf(t, s, options...)
			ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
			if err := ticket.SettleIn(store); !errors.Is(err, ErrNoTxOutbox) {
				t.Errorf("%s: %v", name, err)
			}
			if err := ticket.Settle(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			quiet(t, g)
			if len(s.usages()) != 1 {
				t.Errorf("%s: reported: %v", name, s.usages())
			}
			free, _ := gateOf(t, s, options...).Admit(t.Context(), Customer{ID: "c"}, Feature("f"))
			if err := errors.Join(free.SettleIn(store), (*Ticket)(nil).SettleIn(store), new(Ticket).SettleIn(store)); err != nil {
				t.Errorf("where nothing is to be reported: %v", err)
			}
		}
	})
}

func TestWhileTheOutboxDoesNotAnswerAllCountsAndItIsAskedAgain(t *testing.T) {
	for name, commit := range map[string]bool{"then it is there": true, "then it is not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, box, s := txFixture(t)
				box.turnDeaf(errors.New("the connection is lost"))
				serve(t, g, Feature("f").Uses(2), request("POST", "/", "c"), settledIn(t, box.begin(), commit, 200))
				time.Sleep(time.Minute)
				left(t, g, 3)
				if box.mu.Lock(); box.asks < 5 || box.asks > 20 {
					t.Errorf("it was asked %d times within a minute", box.asks)
				}
				box.mu.Unlock()
				if st := g.Stats(); st.Queued != 1 || st.Open != 0 {
					t.Errorf("%d are queued, %d open", st.Queued, st.Open)
				}
				box.turnDeaf(nil)
				time.Sleep(15 * time.Second)
				want := 0
				if commit {
					want = 1
				}
				left(t, g, 5-2*want)
				quiet(t, g)
				if len(s.usages()) != want {
					t.Errorf("reported: %v", s.usages())
				}
			})
		})
	}
}

func TestATransactionMayOutliveItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, box, s := txFixture(t)
		long, short := box.begin(), box.begin()
		serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), func(_ http.ResponseWriter, r *http.Request) {
			_ = TicketFrom(r.Context()).SettleIn(long.put)
		})
		time.Sleep(time.Hour)
		serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), func(_ http.ResponseWriter, r *http.Request) {
			_ = TicketFrom(r.Context()).SettleIn(short.put)
		})
		left(t, g, 3)
		short.end(false)
		time.Sleep(time.Second) // it is not asked as seldom as about the long one
		left(t, g, 4)
		long.end(true)
		time.Sleep(15 * time.Second)
		left(t, g, 4)
		quiet(t, g)
		if len(s.usages()) != 1 {
			t.Errorf("reported: %v", s.usages())
		}
	})
}

func TestCloseWaitsForAnAnswerAndLosesNothingWithoutOne(t *testing.T) {
	for name, answers := range map[string]bool{"an answer comes": true, "none comes": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, box, s := txFixture(t)
				box.turnDeaf(errors.New("the connection is lost"))
				x := box.begin()
				serve(t, g, Feature("f").Uses(1), request("POST", "/", "c"), settledIn(t, x, true, 200))
				time.Sleep(time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				want := 0
				if answers {
					want = 1
					time.AfterFunc(time.Second, func() { box.turnDeaf(nil) })
				}
				if err := g.Close(ctx); err != nil {
					t.Errorf("nothing is lost, and Close says %v", err)
				}
				if len(s.usages()) != want || len(box.keys()) != 1-want {
					t.Errorf("reported: %v; left in the outbox: %v", s.usages(), box.keys())
				}
			})
		})
	}
}

// TestTheNextAttemptOfATransactionHasTheSameUsage has a first one fail at its end, and perhaps not.
func TestTheNextAttemptOfATransactionHasTheSameUsage(t *testing.T) {
	for name, lost := range map[string]bool{"the first was rolled back": false, "the answer to the first was lost": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, box, s := txFixture(t)
				first, second := box.begin(), box.begin()
				ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
				if err := ticket.SettleIn(first.put); err != nil {
					t.Fatal(err)
				}
				first.end(lost)
				if err := ticket.SettleIn(func(TxOutbox, []Usage) error { return errStubDown }); !errors.Is(err, errStubDown) {
					t.Error(err)
				}
				if err := ticket.SettleIn(second.put); err != nil {
					t.Fatal(err)
				}
				second.end(!lost)
				if first.usages[0].Key != second.usages[0].Key {
					t.Error("it has another key")
				}
				if err := ticket.Settle(); err != nil {
					t.Fatal(err)
				}
				left(t, g, 4)
				quiet(t, g)
				if len(s.usages()) != 1 {
					t.Errorf("reported: %v", s.usages())
				}
			})
		})
	}
}

func TestSettleInOfSeveralHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &txOutbox{}
		s := &stub{set: EntitlementSet{
			Features: []Entitlement{metered("f", 0, 5), metered("h", 0, 5)},
			Credits:  []Credit{{CurrencyID: "tokens", Limit: 9}},
		}}
		g := gateOf(t, s, WithOutbox(box))
		all := All(Feature("f").Uses(1), Feature("h").Uses(2).ReportAs(Event{Name: "e", AmountIn: "n"}), Credits("tokens").Uses(3))
		for _, commit := range []bool{true, false} {
			serve(t, g, all, request("POST", "/", "c"), settledIn(t, box.begin(), commit, 200))
		}
		left(t, g, 4)
		quiet(t, g)
		kinds := map[UsageKind]float64{}
		for _, u := range s.usages() {
			kinds[u.Kind] += u.Value
		}
		if len(kinds) != 3 || kinds[UsageChange] != 1 || kinds[UsageEvent] != 2 || kinds[UsageCredits] != 3 {
			t.Errorf("reported: %+v", s.usages())
		}
	})
}

// TestSettleInBehindTwoGates settles at the route, where a policy in front holds the same feature, or
// another one, which is none of the route's.
func TestSettleInBehindTwoGates(t *testing.T) {
	for _, test := range []struct {
		name, front string
		commit      bool
		f, h        float64
	}{
		{"it commits", "f", true, 3, 0}, {"it is rolled back", "f", false, 0, 0},
		{"beside another feature, it commits", "h", true, 3, 2}, {"beside another feature, it is rolled back", "h", false, 0, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, box, s := txFixture(t)
				guard, x := g.MustGuard(Feature("f").Uses(3)), box.begin()
				box.free = true
				serve(t, g, Feature(test.front).Uses(2), request("POST", "/", "c"), func(w http.ResponseWriter, r *http.Request) {
					guard.Serve(Call{Request: r, Writer: w}, func(d Decision) { t.Error(d.Reason) }, func(w http.ResponseWriter, r *http.Request) bool {
						settledIn(t, x, test.commit, 200)(w, r)
						return true
					}, nil)
				})
				quiet(t, g)
				sums := map[string]float64{}
				for _, u := range s.usages() {
					sums[u.FeatureID] += u.Value
				}
				if sums["f"] != test.f || sums["h"] != test.h {
					t.Errorf("reported: %+v", s.usages())
				}
			})
		})
	}
}

// TestTheEndWaitsForASettleInThatRuns ends the request while the transaction takes the usage.
func TestTheEndWaitsForASettleInThatRuns(t *testing.T) {
	for name, fails := range map[string]bool{"it takes it": false, "it does not": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, box := &stub{set: features(metered("f", 0, 5))}, &txOutbox{}
				g := gateOf(t, s, WithOutbox(box))
				ticket, _ := g.Admit(t.Context(), Customer{ID: "c"}, Feature("f").Uses(1))
				x, stored := box.begin(), make(chan error)
				go func() {
					stored <- ticket.SettleIn(func(box TxOutbox, u []Usage) error {
						time.Sleep(time.Second)
						if fails {
							return errStubDown
						}
						err := x.put(box, u)
						x.end(true)
						return err
					})
				}()
				time.Sleep(time.Millisecond)
				if err := ticket.SettleIn(x.put); !errors.Is(err, ErrSettled) {
					t.Errorf("a second one meanwhile: %v", err)
				}
				ticket.Release()
				if err := <-stored; (err != nil) != fails {
					t.Error(err)
				}
				quiet(t, g)
				if n := len(s.usages()); (n == 1) == fails {
					t.Errorf("%d usages are reported", n)
				}
			})
		})
	}
}
