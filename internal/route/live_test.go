package route

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// TestNobodySeesHalfATable holds a request to one table, for both owners at the same time.
func TestNobodySeesHalfATable(t *testing.T) {
	bind := func(_ string, policies map[string]string) (*Table[string], error) {
		table := new(Table[string])
		for name, p := range policies {
			k, err := Parse(name)
			if err != nil {
				return nil, err
			}
			table.Add(k, p)
		}
		return table, nil
	}
	// By the first table free is open and lands on what is paid; by the other it is paid itself.
	tables := []map[string]string{{"/free/{page}": "", "/paid/{item}": "paid"}, {"/free/{page}": "paid", "/paid/{item}": ""}}
	live := NewLive(tables[0], bind)
	for _, owner := range []string{"a", "b"} {
		if anew, err := live.Bind(owner); err != nil || !anew {
			t.Fatal(anew, err)
		}
	}
	if anew, err := live.Bind("a"); err != nil || anew {
		t.Error("it is bound twice")
	}
	r := &http.Request{Method: "GET", URL: &url.URL{Path: "/free/../paid/7", RawPath: "/free/..%2Fpaid%2F7"}}
	var wg sync.WaitGroup
	done := make(chan struct{})
	for _, owner := range []string{"a", "b"} {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got := live.Of(owner).Match(r, "GET", []string{"/free", "/free/{page}"}, "rest", func(p string) bool { return p == "" }); got != "paid" {
					t.Errorf("got %q", got)
					return
				}
			}
		})
	}
	for i := range 2000 {
		if err := live.Replace(tables[i%2]); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
	if err := live.Replace(map[string]string{"nonsense": ""}); err == nil || live.Policies()["/paid/{item}"] != "" || len(live.Policies()) != 2 {
		t.Errorf("%v; in force is %q", err, live.Policies())
	}
}

func TestAnOwnerThatCantBeBoundChangesNothing(t *testing.T) {
	live := NewLive(map[string]int{"/a": 1}, func(owner string, policies map[string]int) (*Table[int], error) {
		if strings.HasPrefix(owner, "bad") || policies["/bad"] > 0 && owner == "b" {
			return nil, errors.New("no")
		}
		return new(Table[int]), nil
	})
	for owner, fine := range map[string]bool{"a": true, "b": true, "bad": false} {
		if _, err := live.Bind(owner); (err == nil) != fine {
			t.Errorf("%s: %v", owner, err)
		}
	}
	a := live.Of("a")
	if err := live.Replace(map[string]int{"/bad": 1}); err == nil || live.Of("a") != a || live.Of("bad") != nil || len(live.Policies()) != 1 {
		t.Errorf("%v; a refused table is in force", err)
	}
}
