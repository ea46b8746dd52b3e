package outbox

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/stiggate/gate"
)

// TestGroupsFillPages: what a commit adds shares pages with what is there, and none needs pages side by
// side, however many appended at the same time.
func TestGroupsFillPages(t *testing.T) {
	for _, each := range []int{1, 16, 64, 400} {
		t.Run(fmt.Sprint(each, " at a time"), func(t *testing.T) {
			o := open(t, t.TempDir())
			o.store.db.NoSync = true
			keys := numbered(1200)
			for batch := range slices.Chunk(keys, each) {
				keep(t, o, batch...)
			}
			err := o.store.view(func(tx *bolt.Tx) error {
				s := tx.Bucket(bucketUsage).Stats()
				if page := tx.DB().Info().PageSize; page == 4096 && s.LeafOverflowN > 1 { // bbolt has four values at least in the last one before it splits it
					t.Errorf("%d of %d pages follow another one", s.LeafOverflowN, s.LeafPageN)
				}
				if full := float64(s.LeafInuse) / float64(s.LeafAlloc); full < 0.6 {
					t.Errorf("pages are %.2f full", full)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			wantPending(t, o, keys...)
		})
	}
}

// TestAllocsOfAnAppend: once as much was written before, encoding a usage and queueing it takes no memory.
func TestAllocsOfAnAppend(t *testing.T) {
	o := open(t, t.TempDir(), NoWait())
	var p pack
	u := []gate.Usage{sample("gate-K7Q2XWZ4M3C5V6B1N8L9J0HGFD-1")}
	var q work
	add := func() {
		if err := o.encode(&p, u); err != nil {
			t.Fatal(err)
		}
		for i, record := range p.each {
			q.add(p.heads[i], record)
		}
	}
	for range 256 {
		add()
	}
	if n := testing.AllocsPerRun(10, func() {
		q = work{packs: q.packs[:0]} // as reuse leaves it
		for range 256 {
			add()
		}
	}); n > 0 {
		t.Errorf("256 usages took %v allocations", n)
	}
}

// TestThoseWhoAppendAgainAndAgainShareCommits: who was released by a commit comes into the next one, and
// not the first of them alone.
func TestThoseWhoAppendAgainAndAgainShareCommits(t *testing.T) {
	const writers, each = 16, 20
	synctest.Test(t, func(t *testing.T) {
		o := open(t, t.TempDir())
		defer closeBox(t, o)
		o.store.db.NoSync = true
		commits, write := 0, o.commit
		o.commit = func(w *work) error {
			commits++
			time.Sleep(time.Millisecond)
			return write(w)
		}
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					if err := o.Append(t.Context(), fresh(fmt.Sprintf("key-%d-%d", w, i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if most := each + each/4; commits > most {
			t.Errorf("%d commits for %d writers of %d each, want at most %d", commits, writers, each, most)
		}
	})
}
