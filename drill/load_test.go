package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// load drives the server from many connections and keeps the books: what was answered
// with success, what may have been done though nobody knows.
type load struct {
	base string

	mu       sync.Mutex
	promised map[account]float64 // answered with success
	unknown  map[account]float64 // cut off
	answers  map[int]int         // by status; 0 is cut off, -1 not sent
}

func newLoad(base string) *load {
	return &load{base: base, promised: map[account]float64{}, unknown: map[account]float64{}, answers: map[int]int{}}
}

// run sends one request after the other until ctx ends.
func (l *load) run(ctx context.Context, r *rand.Rand) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for ctx.Err() == nil {
		if l.send(client, r) < 0 {
			time.Sleep(2 * time.Millisecond) // the server is down; a pause, not a wait for something
		}
	}
}

// send sends one request and keeps the books of it.
func (l *load) send(client *http.Client, r *rand.Rand) int {
	paths := []string{"/units", "/units", "/units", "/few", "/calls", "/coins"}
	a := account{customer(r.IntN(customers)), paths[r.IntN(len(paths))]}
	query, amount := "", 1.0
	switch r.IntN(12) {
	case 0:
		query = "?fail=500"
	case 1:
		query = "?panic=1"
	case 2:
		query = "?settle=1"
	case 3:
		query = "?sleep=3ms"
	case 4:
		if a.path == "/units" || a.path == "/coins" {
			amount = float64(2 + r.IntN(5))
			query = fmt.Sprint("?use=", amount)
		}
	}
	status := l.post(client, a, query)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[status]++
	switch {
	case status == http.StatusCreated:
		l.promised[a] += amount
	case query == "?panic=1", query == "?fail=500": // counts nowhere, whatever happens
	case status == 0, query == "?settle=1" && status == http.StatusInternalServerError:
		l.unknown[a] += amount
	}
	return status
}

// post returns the answer's status; 0 if the connection broke with the request on its
// way, -1 if there was none.
func (l *load) post(client *http.Client, a account, query string) int {
	req, err := http.NewRequest(http.MethodPost, l.base+a.path+query, http.NoBody) //nolint:noctx // the server's end ends it
	if err != nil {
		panic(err)
	}
	req.Header.Set("X-Customer-ID", a.customer)
	res, err := client.Do(req)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" && errors.Is(err, syscall.ECONNREFUSED) {
			return -1
		}
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}
