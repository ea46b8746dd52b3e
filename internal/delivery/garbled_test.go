package delivery

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// TestAWrongNumberOfAnswersIsGarbled: nobody knows which answer is of which usage. The batch is
// tried again, and split soon, so that one usage that makes it so delays the others for seconds
// and not for minutes; it stays itself until it is answered.
func TestAWrongNumberOfAnswersIsGarbled(t *testing.T) {
	for name, answers := range map[string]func(n int) int{
		"one too few":  func(n int) int { return n - 1 },
		"one too many": func(n int) int { return n + 1 },
		"none":         func(int) int { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stigg{}
				mended := false
				f := newFixture(t, s, func(c *Config[unit]) {
					c.Report = func(ctx context.Context, batch []unit) ([]ledger.Ack, error) {
						if !mended && slices.ContainsFunc(batch, func(u unit) bool { return u.customer == "odd" }) {
							return make([]ledger.Ack, answers(len(batch))), nil
						}
						return s.Report(ctx, batch)
					}
				})
				for n := range 50 {
					customer := "c"
					if n == 25 {
						customer = "odd"
					}
					f.put(unit{customer: customer})
				}
				time.Sleep(10 * time.Second)
				if n := len(s.taken()); n != 49 {
					t.Errorf("%d of the 49 others are taken after ten seconds", n)
				}
				if st := f.Stats(); st.Queued != 1 || st.Refused != 0 {
					t.Errorf("%+v, want the odd one to wait", st)
				}
				mended = true
				f.drain()
				if n := len(s.taken()); n != 50 {
					t.Errorf("%d of 50 are taken", n)
				}
			})
		})
	}
}
