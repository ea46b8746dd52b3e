package redisgate_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// proxy stands between a replica and Redis.
type proxy struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	holds    bool          // nothing passes, and nobody is told
	delay    time.Duration // of each piece
	conns    map[net.Conn]bool
	changed  *sync.Cond
}

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, conns: make(map[net.Conn]bool)}
	p.changed = sync.NewCond(&p.mu)
	go func() {
		for {
			front, err := l.Accept()
			if err != nil {
				return
			}
			back, err := net.Dial("tcp", to)
			if err != nil {
				_ = front.Close()
				continue
			}
			p.mu.Lock()
			p.conns[front], p.conns[back] = true, true
			p.mu.Unlock()
			go p.copy(front, back)
			go p.copy(back, front)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		p.set(false, 0)
		p.drop()
	})
	return p
}

func (p *proxy) copy(to, from net.Conn) {
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			p.mu.Lock()
			for p.holds {
				p.changed.Wait()
			}
			delay := p.delay
			p.mu.Unlock()
			time.Sleep(delay)
			_, err = to.Write(piece[:n])
		}
		if err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
	p.mu.Lock()
	delete(p.conns, to)
	delete(p.conns, from)
	p.mu.Unlock()
}

func (p *proxy) set(holds bool, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds, p.delay = holds, delay
	p.changed.Broadcast()
}

// drop ends all connections.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.(io.Closer).Close()
	}
}

// mostHarms is how often it is tried whether a replica feels what is done to it.
const mostHarms = 50

// TestAReplicaIsCutOffUnderLoad has the first of three lose its way to Redis, again and again. For less time than it takes
// to be taken for dead, the limit holds; for longer, it is passed by no more than what ran there, or was
// not acknowledged.
func TestAReplicaIsCutOffUnderLoad(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		harm func(p *proxy)
		most int64
	}{
		{"connections break", func(p *proxy) { p.drop() }, 0},
		{"all is slow", func(p *proxy) { p.set(false, 150*time.Millisecond); time.Sleep(time.Second) }, 0},
		{"all takes longer than a call may", func(p *proxy) { p.set(false, 300*time.Millisecond); time.Sleep(time.Second) }, 0},
		{"nothing passes for a while", func(p *proxy) { p.set(true, 0); time.Sleep(quickTiming.Reclaim / 2) }, 0},
		{"nothing passes for longer", func(p *proxy) { p.set(true, 0); time.Sleep(quickTiming.Reclaim + 2*time.Second) }, 3 * 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			p := newProxy(t, s.addr())
			through := newClient(t, rueidis.ClientOption{InitAddress: []string{p.listener.Addr().String()}})
			l := newLoad(t, append([]rueidis.Client{through}, clients(s, 2)...)...)
			harms := int64(0)
			unfelt := func() bool { return l.gates[0].Stats().Fleet.Failed == 0 && test.name != "all is slow" }
			// A short one may fall between two calls.
			for began := time.Now(); harms == 0 || unfelt() && harms < mostHarms || time.Since(began) < *killTime; harms++ {
				time.Sleep(time.Second)
				test.harm(p)
				p.set(false, 0)
			}
			time.Sleep(2 * time.Second)
			failed, never := l.gates[0].Stats().Fleet.Failed, unfelt()
			l.end(test.most * harms)
			t.Logf("%d times, %d calls failed", harms, failed)
			if never {
				t.Error("no call failed")
			}
		})
	}
}
