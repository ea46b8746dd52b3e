package endtoend

import (
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/stiggate/gate/bench/internal/measure"
)

// disk is a file whose writers share syncs: the least that a server can do whose answers wait until
// something is kept. It has no format, and nobody can read it back.
type disk struct {
	file  *os.File
	wake  chan struct{}
	mu    sync.Mutex
	round chan struct{} // closed when what was waited for is on the disk
	err   error         // of a round that failed; the others fail, too
}

const pages = 256 // of the file, which are written again and again, so that it does not grow

func newDisk(dir string) (*disk, error) {
	f, err := os.Create(filepath.Join(dir, "pages"))
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(make([]byte, pages*4096)); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	d := &disk{file: f, wake: make(chan struct{}, 1), round: make(chan struct{})}
	go d.run()
	return d, nil
}

func (d *disk) run() {
	page := make([]byte, 4096)
	for n := int64(0); ; n++ {
		<-d.wake
		d.mu.Lock()
		round := d.round
		d.round = make(chan struct{})
		d.mu.Unlock()
		_, err := d.file.WriteAt(page, n%pages*4096)
		if err == nil {
			err = measure.Datasync(d.file)
		}
		if err != nil {
			d.mu.Lock()
			d.err = err
			d.mu.Unlock()
		}
		close(round)
	}
}

// keep returns when a write that began after the call is on the disk.
func (d *disk) keep() error {
	d.mu.Lock()
	round := d.round
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
	<-round
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// kept waits for the disk before a handler answers.
func kept(d *disk, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := d.keep(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
}
