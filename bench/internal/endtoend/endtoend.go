// Package endtoend measures requests over loopback: a server in one process, and what sends them in
// another.
package endtoend

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/stiggate/gate/bench/internal/measure"
)

// The groups, for the goals.
const (
	Throughput = "end to end, requests a second"
	P50        = "end to end, median latency"
	P99        = "end to end, 99th percentile of the latency"
	Processor  = "end to end, processor time of the server"
)

// Run measures all kinds of server in turns, each time a new one.
func Run(b *measure.Bench) error {
	groups := []measure.Group{
		{Name: Throughput, Base: Bare, Note: fmt.Sprintf("%d connections over loopback send requests of %d customers, from another process on the same machine.", connections, customers)},
		{Name: P50, Base: Bare, Note: "Of the same requests."},
		{Name: P99, Base: Bare, Note: "Of the same requests."},
		{Name: Processor, Base: Bare, Note: "Of the server alone, for one request, garbage collection and delivery included: what other processes do to the figures above, they don't do to this."},
	}
	for i, unit := range []string{"/s", "ms", "ms", "us"} {
		for _, kind := range Kinds {
			groups[i].Series = append(groups[i].Series, measure.Series{Name: kind, Unit: unit})
		}
	}
	warm, length := time.Duration(b.Size(300, 5))*time.Millisecond, time.Duration(b.Size(1500, 10))*time.Millisecond
	for round := range b.Rounds {
		b.Logf("end to end: round %d of %d", round+1, b.Rounds)
		for k, kind := range Kinds {
			a, processor, err := turn(kind, warm, length)
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			for i, figure := range []float64{a.PerSecond, a.P50, a.P99, processor} {
				groups[i].Series[k].Rounds = append(groups[i].Series[k].Rounds, figure)
			}
		}
	}
	for _, g := range groups {
		b.Add(g)
	}
	return nil
}

// turn starts a server, sends it requests, and tells what came back and the microseconds of the
// server's processor time for each.
func turn(kind string, warm, length time.Duration) (answered, float64, error) {
	self, err := os.Executable()
	if err != nil {
		return answered{}, 0, err
	}
	server := exec.Command(self, "-helper", "serve", "-with", kind)
	server.Stderr = os.Stderr
	stop, err := server.StdinPipe()
	if err != nil {
		return answered{}, 0, err
	}
	said, err := server.StdoutPipe()
	if err != nil {
		return answered{}, 0, err
	}
	if err := server.Start(); err != nil {
		return answered{}, 0, err
	}
	defer func() {
		_ = stop.Close()
		_ = server.Wait()
	}()
	lines := bufio.NewReader(said)
	addr, err := lines.ReadString('\n')
	if err != nil {
		return answered{}, 0, err
	}
	addr = strings.TrimSpace(addr)
	warmed, err := generate(self, addr, warm)
	if err != nil {
		return answered{}, 0, err
	}
	a, err := generate(self, addr, length)
	if err != nil {
		return answered{}, 0, err
	}
	_ = stop.Close()
	var processor time.Duration
	if err := json.NewDecoder(lines).Decode(&processor); err != nil && err != io.EOF {
		return answered{}, 0, err
	}
	return a, float64(processor.Microseconds()) / float64(a.Requests+warmed.Requests), nil
}

// generate runs the load generator.
func generate(self, addr string, length time.Duration) (a answered, err error) {
	load := exec.Command(self, "-helper", "load", "-with", addr, "-slice", length.String())
	load.Stderr = os.Stderr
	out, err := load.Output()
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(out, &a)
}
