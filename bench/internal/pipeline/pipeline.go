// Package pipeline measures usage on its way: settled into the queue, kept on the disk, delivered.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/world"
	"github.com/stiggate/gate/outbox"
)

// Names, for the goals.
const (
	Memory   = "pipeline, settled in memory"
	Delivery = "pipeline, delivered"
	Calls    = "pipeline, calls for 1,000 usages"
	Sync     = "fdatasync of a page, 1 writer"
	Batch    = "bbolt's Batch"
	Append   = "outbox.Append alone"
	Whole    = "Gate, hold + settle + outbox"
)

// Writers are the numbers of goroutines that keep usage at the same time.
var Writers = []int{1, 16, 64, 256}

// Disk is the name of what is measured with so many writers.
func Disk(writers int) string {
	return strings.Replace(fmt.Sprintf("pipeline, kept on disk by %d writers", writers), " 1 writers", " 1 writer", 1)
}

// Run measures all of it.
func Run(b *measure.Bench) error {
	if err := inMemory(b); err != nil {
		return err
	}
	for _, n := range Writers {
		if err := onDisk(b, n); err != nil {
			return err
		}
	}
	return delivered(b)
}

// keeper is one of those that keep usage; keep returns when one more is kept.
type keeper struct {
	name  string
	keep  func(writer int) error
	close func() error
	alone bool // one writer, however many the others are
}

// opening makes keepers anew for a round, in a directory of its own.
type opening func(dir string, writers int) (keeper, error)

// rate lets so many writers keep usage for so long, and tells how much a second.
func (k keeper) rate(writers int, length time.Duration) (float64, error) {
	if k.alone {
		writers = 1
	}
	var kept atomic.Int64
	var failed error
	var once sync.Once
	var all sync.WaitGroup
	begun := time.Now()
	for w := range writers {
		all.Go(func() {
			for n := 0; n == 0 || time.Since(begun) < length; n++ {
				if err := k.keep(w); err != nil {
					once.Do(func() { failed = err })
					return
				}
				kept.Add(1)
			}
		})
	}
	all.Wait()
	return float64(kept.Load()) / time.Since(begun).Seconds(), failed
}

// turn opens, measures and closes.
func turn(open opening, writers int, length time.Duration) (float64, error) {
	dir, err := os.MkdirTemp("", "gate-bench-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	k, err := open(dir, writers)
	if err != nil {
		return 0, err
	}
	_, warm := k.rate(writers, length/5)
	rate, err := k.rate(writers, length)
	return rate, errors.Join(warm, err, k.close())
}

func onDisk(b *measure.Bench, writers int) error {
	g := measure.Group{Name: Disk(writers), Base: Batch, Note: "Usage a second that is on the disk when its writer goes on. " +
		"bbolt's Batch has a MaxBatchSize of as many as there are writers, and a MaxBatchDelay of 0.5 ms."}
	openings := []opening{syncing, batching, appending, settling}
	for round := range b.Rounds {
		b.Logf("%s: round %d of %d", g.Name, round+1, b.Rounds)
		for i, open := range openings {
			rate, err := turn(open, writers, time.Duration(b.Size(250, 5))*time.Millisecond)
			if err != nil {
				return err
			}
			if round == 0 {
				g.Series = append(g.Series, measure.Series{Name: names[i], Unit: "/s"})
			}
			g.Series[i].Rounds = append(g.Series[i].Rounds, rate)
		}
	}
	b.Add(g)
	return nil
}

var names = []string{Sync, Batch, Append, Whole}

// syncing is the floor: one page, written and synced.
func syncing(dir string, _ int) (keeper, error) {
	f, err := os.Create(filepath.Join(dir, "page"))
	if err != nil {
		return keeper{}, err
	}
	page := make([]byte, 4096)
	return keeper{alone: true, close: f.Close, keep: func(int) error {
		if _, err := f.WriteAt(page, 0); err != nil {
			return err
		}
		return measure.Datasync(f)
	}}, nil
}

// batching is what an outbox of one's own would do.
func batching(dir string, writers int) (keeper, error) {
	db, err := bbolt.Open(filepath.Join(dir, "bolt"), 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return keeper{}, err
	}
	db.MaxBatchSize, db.MaxBatchDelay = writers, 500*time.Microsecond
	bucket := []byte("usage")
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(bucket)
		return err
	})
	record := make([]byte, 120) // as long as an outbox's
	return keeper{close: db.Close, keep: func(int) error {
		return db.Batch(func(tx *bbolt.Tx) error {
			all := tx.Bucket(bucket)
			all.FillPercent = 1 // keys only grow
			n, err := all.NextSequence()
			if err != nil {
				return err
			}
			return all.Put([]byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, record)
		})
	}}, err
}

// appending is the outbox without a gate.
func appending(dir string, _ int) (keeper, error) {
	box, err := outbox.Open(dir, outbox.MaxBytes(8<<30))
	if err != nil {
		return keeper{}, err
	}
	var n atomic.Int64
	c := gate.Customer{ID: "customer-0004711"}
	return keeper{close: box.Close, keep: func(int) error {
		return box.Append(context.Background(), gate.Usage{Customer: c, FeatureID: world.Metered, Value: 1,
			Key: fmt.Sprintf("gate-K7Q2XWZ4M3C5V6B1N8L9J0HGFD-%d", n.Add(1)), CreatedAt: time.Now()})
	}}, nil
}

// settling is the whole path through a gate.
func settling(dir string, _ int) (keeper, error) {
	box, err := outbox.Open(dir, outbox.MaxBytes(8<<30))
	if err != nil {
		return keeper{}, err
	}
	return settler(gate.WithOutbox(box))
}

// settler holds and settles, of a customer for each writer.
func settler(options ...gate.Option) (keeper, error) {
	customers := world.Customers(256)
	g, err := world.Gate(world.Source(world.Two()), customers, options...)
	if err != nil {
		return keeper{}, err
	}
	p := gate.Feature(world.Metered).Uses(1)
	return keeper{
		close: func() error { world.Drop(g); return nil },
		keep: func(writer int) error {
			t, d := g.Admit(context.Background(), customers[writer], p)
			if !d.Allowed {
				return fmt.Errorf("refused: %s", d.Reason)
			}
			return t.Settle()
		},
	}, nil
}

func inMemory(b *measure.Bench) error {
	g := measure.Group{Name: Memory, Base: "1 writer", Note: "Usage a second that is held and settled into the queue, of which nothing is delivered meanwhile."}
	for round := range b.Rounds {
		b.Logf("%s: round %d of %d", g.Name, round+1, b.Rounds)
		for i, writers := range []int{1, 64} {
			rate, err := turn(func(string, int) (keeper, error) { return settler() }, writers, time.Duration(b.Size(250, 5))*time.Millisecond)
			if err != nil {
				return err
			}
			if round == 0 {
				g.Series = append(g.Series, measure.Series{Name: []string{"1 writer", "64 writers"}[i], Unit: "/s"})
			}
			g.Series[i].Rounds = append(g.Series[i].Rounds, rate)
		}
	}
	b.Add(g)
	return nil
}
