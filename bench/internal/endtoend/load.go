package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/stiggate/gate/bench/internal/world"
)

// connections send requests at the same time, each one after the other.
const connections = 64

// answered is what the load generator has seen.
type answered struct {
	Requests            int
	PerSecond, P50, P99 float64 // in milliseconds
}

// Load sends requests to an address for so long, and writes what it has seen.
func Load(addr string, length time.Duration, _ io.Reader, stdout io.Writer) error {
	var all []time.Duration
	var failed error
	var mu sync.Mutex
	var senders sync.WaitGroup
	begun := time.Now()
	for i := range connections {
		senders.Go(func() {
			took, err := send(addr, i, begun.Add(length))
			mu.Lock()
			defer mu.Unlock()
			all, failed = append(all, took...), errors.Join(failed, err)
		})
	}
	senders.Wait()
	seconds := time.Since(begun).Seconds()
	if failed != nil || len(all) == 0 {
		return errors.Join(errors.New("not all requests were answered as they should be"), failed)
	}
	slices.Sort(all)
	at := func(part float64) float64 { return all[int(part*float64(len(all)-1))].Seconds() * 1e3 }
	return json.NewEncoder(stdout).Encode(answered{len(all), float64(len(all)) / seconds, at(0.5), at(0.99)})
}

// send sends on one connection until then. It is made to take little of the processor, which the server
// has to share: requests are ready bytes, and of the answers, which are all of one length, only the
// first is parsed.
func send(addr string, who int, until time.Time) ([]time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(until.Add(time.Minute))
	requests := make([][]byte, 16)
	all := world.Customers(customers)
	for i := range requests {
		c := all[(who*len(requests)+i)%len(all)]
		requests[i] = fmt.Appendf(nil, "POST /campaigns HTTP/1.1\r\nHost: bench\r\nX-Customer-Id: %s\r\nContent-Length: 0\r\n\r\n", c.ID)
	}
	if _, err := conn.Write(requests[0]); err != nil {
		return nil, err
	}
	length, err := first(conn)
	if err != nil {
		return nil, err
	}
	answer := make([]byte, length)
	took := make([]time.Duration, 0, 1<<16)
	for n, now := 0, time.Now(); n == 0 || now.Before(until); n++ {
		if _, err := conn.Write(requests[n%len(requests)]); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
			return nil, fmt.Errorf("answered %.40q", answer)
		}
		then := now
		now = time.Now()
		took = append(took, now.Sub(then))
	}
	return took, nil
}

// first reads the first answer, and tells its length.
func first(conn net.Conn) (int, error) {
	var read bytes.Buffer
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &read)), nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || string(body) != "done") {
		err = fmt.Errorf("answered %s", res.Status)
	}
	return read.Len(), err
}
