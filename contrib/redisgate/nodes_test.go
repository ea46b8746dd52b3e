package redisgate_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/fleet"
)

// TestACluster has three nodes, and accounts on each of them.
func TestACluster(t *testing.T) {
	t.Parallel()
	args := []string{"--cluster", "create"}
	var nodes []*server
	for range 3 {
		s := newServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		nodes = append(nodes, s)
		args = append(args, s.addr())
	}
	nodes[0].cli(append(args, "--cluster-yes")...)
	eventually(t, "the cluster is up", func() bool {
		return strings.Contains(nodes[2].cli("CLUSTER", "INFO"), "cluster_state:ok")
	})
	client := newClient(t, rueidis.ClientOption{InitAddress: []string{nodes[0].addr()}})
	if len(client.Nodes()) != 3 {
		t.Fatalf("the client sees %d nodes", len(client.Nodes()))
	}
	store := open(t, client)
	states := make([]fleet.State, 100)
	for i := range states {
		states[i] = fleet.State{Account: fleet.Account{Customer: fmt.Sprint("c", i), Feature: "units"}, Replica: "a", N: 1, Need: 1, Want: 1, Limit: 1}
	}
	for replica, units := range []float64{1, 0} {
		for i := range states {
			states[i].Replica = fmt.Sprint(replica)
		}
		grants, err := store.Sync(t.Context(), states)
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range grants {
			if g.Err != nil || g.Units != units {
				t.Errorf("account %d, replica %d: %+v", i, replica, g)
			}
		}
	}
	for _, s := range nodes {
		if n, _ := strconv.Atoi(strings.TrimSpace(s.cli("DBSIZE"))); n < shards/6 {
			t.Errorf("a node has %d keys", n)
		}
	}
	recalled := watch(t, store)
	g := sync1(t, store, fleet.State{Account: states[0].Account, Replica: "c", N: 9, Need: 1, Want: 1, Limit: 1})
	if g.Code != fleet.Recall && g.Code != fleet.Pending {
		t.Errorf("got %+v", g)
	}
	wantRecall(t, recalled, states[0].Account)
}

// shards is how many keys Provision makes.
const shards = 64

// watch has the recalls that a store tells, from when it has begun to.
func watch(t *testing.T, store fleet.Fleet) <-chan fleet.Account {
	t.Helper()
	recalled := make(chan fleet.Account, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- store.Watch(ctx, func(a fleet.Account) { recalled <- a }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
	})
	wantRecall(t, recalled, fleet.Account{})
	return recalled
}

func wantRecall(t *testing.T, recalled <-chan fleet.Account, want fleet.Account) {
	t.Helper()
	select {
	case a := <-recalled:
		if a != want {
			t.Errorf("recalled was %+v, want %+v", a, want)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("%+v was not recalled", want)
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("after 30 s it is not so that %s", what)
}

// TestAReplicaOfRedisTakesOver has Sentinel see to it.
func TestAReplicaOfRedisTakesOver(t *testing.T) {
	t.Parallel()
	first := newServer(t)
	second := newServer(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(first.port))
	eventually(t, "the second follows the first", func() bool {
		return strings.Contains(second.cli("INFO", "replication"), "master_link_status:up")
	})
	watcher := newSentinel(t, first.port)
	client := newClient(t, rueidis.ClientOption{InitAddress: []string{watcher.addr()}, Sentinel: rueidis.SentinelOption{MasterSet: "main"}})
	store := open(t, client, redisgate.WaitFor(1))
	wantShared(t, store)
	first.kill()
	eventually(t, "the second takes over, and has what was granted", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		grants, err := store.Sync(ctx, []fleet.State{state("c", 3, 0)})
		return err == nil && grants[0].Err == nil && grants[0].Out == 6
	})
	if g := sync1(t, store, state("c", 4, 1)); !errors.Is(g.Err, redisgate.ErrNotReplicated) || g.Units != 0 {
		t.Errorf("no replica has it, and the answer is %+v", g)
	}
}

func newSentinel(t *testing.T, port int) *server {
	t.Helper()
	s := newServer(t, "--sentinel")
	s.cli("SENTINEL", "MONITOR", "main", "127.0.0.1", strconv.Itoa(port), "1")
	for name, value := range map[string]string{"down-after-milliseconds": "500", "failover-timeout": "3000"} {
		s.cli("SENTINEL", "SET", "main", name, value)
	}
	eventually(t, "Sentinel sees the replica", func() bool { return strings.Contains(s.cli("SENTINEL", "REPLICAS", "main"), "name") })
	return s
}

// TestRecalls has one replica refused for what another one does not use.
func TestRecalls(t *testing.T) {
	store := open(t, newServer(t).client())
	a := state("a", 1, 6)
	sync1(t, store, a)
	recalled := watch(t, store)
	if g := sync1(t, store, state("b", 2, 6)); g.Code != fleet.Recall {
		t.Errorf("got %+v", g)
	}
	wantRecall(t, recalled, a.Account)
	sync1(t, store, state("a", 3, 0))
	if g := sync1(t, store, state("b", 4, 6)); g.Units != 6 {
		t.Errorf("got %+v", g)
	}
}

// TestANewRedisLearns: without Provision, nothing is granted until replicas could tell what they have,
// and Stigg was asked.
func TestANewRedisLearns(t *testing.T) {
	clock := time.Now()
	store, err := redisgate.New(t.Context(), newServer(t).client(), redisgate.Clock(func() time.Time { return clock }))
	if err != nil {
		t.Fatal(err)
	}
	g := sync1(t, store, state("a", 1, 1))
	if g.Code != fleet.Learning || !g.Wants {
		t.Errorf("at first: %+v", g)
	}
	clock = clock.Add(fleet.DefaultTiming().Valid)
	if g = sync1(t, store, state("a", 2, 1)); g.Code != fleet.Learning {
		t.Errorf("without a count: %+v", g)
	}
	s := state("a", 3, 1)
	s.Count = fleet.Count{Told: true, Used: 0, Since: g.Now}
	if g = sync1(t, store, s); g.Code != fleet.OK || g.Units != 1 {
		t.Errorf("with a count: %+v", g)
	}
}
