package outbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

func sample(key string) gate.Usage {
	return gate.Usage{
		Customer: gate.Customer{ID: "customer-4711"}, FeatureID: "feature-02-campaigns", Value: 1,
		Key: key, CreatedAt: time.Unix(1_700_000_000, 123456789).UTC(),
	}
}

// fsync measures what one write of 4 kB with its fsync takes on the disk under dir.
func fsync(b *testing.B, dir string) time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	const n = 100
	start := time.Now()
	for range n {
		if _, err := f.WriteAt(page, 0); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start) / n
}

func openBench(b *testing.B, options ...Option) *Outbox {
	b.Helper()
	o, err := Open(b.TempDir(), append([]Option{MaxBytes(16 << 30)}, options...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := o.Close(); err != nil {
			b.Error(err)
		}
	})
	return o
}

// BenchmarkAppend has writers that each append one measurement after the other and wait
// until it is durable, and one more that says done, as Stigg's acknowledgements come.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			raw := fsync(b, b.TempDir())
			o := openBench(b)
			benchmarkAppend(b, o, writers)
			b.ReportMetric(float64(raw.Nanoseconds()), "ns/fsync")
			b.ReportMetric(float64(raw.Nanoseconds())/(float64(b.Elapsed().Nanoseconds())/float64(b.N)), "measurements/fsync")
		})
	}
	b.Run("64 writers, NoWait", func(b *testing.B) { benchmarkAppend(b, openBench(b, NoWait()), 64) })
}

func benchmarkAppend(b *testing.B, o *Outbox, writers int) {
	commits, write := 0, o.commit
	o.commit = func(w *work) error {
		commits++
		return write(w)
	}
	acked := make(chan string, 10_000)
	var acknowledging sync.WaitGroup
	acknowledging.Go(func() {
		batch := make([]string, 0, 100)
		for key := range acked {
			if batch = append(batch, key); len(batch) == cap(batch) {
				if err := o.Done(named(batch...)...); err != nil {
					b.Error(err)
				}
				batch = batch[:0]
			}
		}
	})
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				u := sample("gate-K7Q2XWZ4M3C5V6B1N8L9J0HGFD-" + strconv.FormatInt(n, 10))
				for {
					err := o.Append(b.Context(), u)
					if err == nil {
						break
					}
					if !o.noWait {
						b.Error(err)
						return
					}
					runtime.Gosched() // behind the disk
				}
				acked <- u.Key
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "measurements/s")
	close(acked)
	acknowledging.Wait()
	if err := o.Close(); err != nil {
		b.Error(err)
	}
	b.ReportMetric(float64(b.N)/float64(commits), "measurements/commit")
}

// BenchmarkAppendBatch appends 100 measurements at a time.
func BenchmarkAppendBatch(b *testing.B) {
	o := openBench(b)
	batch := make([]gate.Usage, 100)
	b.ReportAllocs()
	for i := range b.N {
		for j := range batch {
			batch[j] = sample("gate-K7Q2XWZ4M3C5V6B1N8L9J0HGFD-" + strconv.Itoa(i*100+j))
		}
		if err := o.Append(b.Context(), batch...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "measurements/s")
}

// BenchmarkReplay opens an outbox that holds a million measurements, 50 in a commit, as a
// day without Stigg leaves it, and takes them all over.
func BenchmarkReplay(b *testing.B) {
	const measurements = 1_000_000
	dir := b.TempDir()
	fill(b, dir, measurements)
	heap := int64(0)
	b.ResetTimer()
	for range b.N {
		before := heapBytes()
		start := time.Now()
		o, err := Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/open")
		heap = max(heap, heapBytes()-before)
		start = time.Now()
		n := 0
		for _, err := range o.Pending(0) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/iterate")
		if n != measurements {
			b.Fatalf("%d measurements, want %d", n, measurements)
		}
		if err := o.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(heap)/measurements, "heap-B/measurement")
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/measurements, "file-B/measurement")
}

func fill(b *testing.B, dir string, n int) {
	b.Helper()
	o, err := Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	batch := make([]gate.Usage, 50)
	for i := 0; i < n; i += len(batch) {
		for j := range batch {
			batch[j] = sample("gate-K7Q2XWZ4M3C5V6B1N8L9J0HGFD-" + strconv.Itoa(i+j))
			batch[j].CreatedAt = time.Now()
		}
		if err := o.Append(b.Context(), batch...); err != nil {
			b.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		b.Fatal(err)
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
