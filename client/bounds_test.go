package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
)

func TestAnAnswerOfManyMembersIsRefusedBeforeItIsDecoded(t *testing.T) {
	many := func(piece string, n int) string { return strings.TrimSuffix(strings.Repeat(piece+",", n), ",") }
	member := `{"__typename":"FeatureEntitlement","isGranted":true,"hasUnlimitedUsage":true,"feature":{"refId":"f","displayName":"F","featureType":"BOOLEAN"}}`
	for name, test := range map[string]struct {
		body string
		want Code
	}{
		"two million members":      {`{"data":{"entitlementsState":{"entitlementsV2":[{"__typename":"FeatureEntitlement"},` + many("{}", 2_000_000) + `]}}}`, ErrBadResponse},
		"two million errors":       {`{"errors":[` + many("{}", 2_000_000) + `]}`, ErrBadResponse},
		"1,001 errors":             {`{"errors":[` + many("{}", 1001) + `]}`, ErrBadResponse},
		"two million values":       {setWith(`"enumValues":[` + many(`""`, 2_000_000) + `]`), ErrBadResponse},
		"60,000 objects":           {strings.TrimSuffix(emptySet, "}") + `,"x":[` + many("{}", 60_000) + `]}`, ErrBadResponse},
		"lists in lists":           {`{"data":{"entitlementsState":{"entitlementsV2":[` + many("[]", 2_000_000) + `]}}}`, ErrBadResponse},
		"10,001 members":           {`{"data":{"entitlementsState":{"entitlementsV2":[` + many(member, maxMembers+1) + `]}}}`, ErrBadResponse},
		"10,000 members":           {`{"data":{"entitlementsState":{"entitlementsV2":[` + many(member, maxMembers) + `]}}}`, ""},
		"braces in a string":       {setWith(`"enumValues":["` + strings.Repeat(`{,[`, 200_000) + `"]`), ""},
		"quotes within a string":   {setWith(`"enumValues":["` + strings.Repeat(`\"{,\\`, 200_000) + `"]`), ""},
		"a string that has no end": {`{"data":"` + strings.Repeat(`{,`, 200_000), ErrBadResponse},
	} {
		t.Run(name, func(t *testing.T) {
			if len(test.body) > maxResponse {
				t.Fatal("the body is too large to show anything")
			}
			c, _ := serve(t, says(200, test.body))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.Entitlements(context.Background(), acme)
			runtime.ReadMemStats(&after)
			if test.want == "" != (err == nil) || err != nil && !errors.Is(err, test.want) {
				t.Errorf("the error is %v", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 100<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
		})
	}
}

func TestOfLargeAnswersOnlySomeAreInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		hold := make(chan struct{})
		large := `{"data":{"entitlementsState":{"entitlementsV2":[]}},"x":"` + strings.Repeat(" ", 4*smallResponse)
		c := watchable(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for begun := 0; begun < len(large); begun += smallResponse / 2 {
				if _, err := w.Write([]byte(large[begun:min(len(large), begun+smallResponse/2)])); err != nil {
					return
				}
				sent.Add(1)
			}
			<-hold
			_, _ = w.Write([]byte(`"}`))
		}), WithTimeout(time.Minute))
		const callers = mostLarge + 20
		ended := make(chan error, callers)
		for i := range callers {
			go func() {
				_, err := c.Entitlements(t.Context(), gate.Customer{ID: fmt.Sprint("c", i)})
				ended <- err
			}()
		}
		synctest.Wait()
		const pieces = 9 // of each answer
		if n := int(sent.Load()); n >= callers*pieces {
			t.Errorf("all %d answers were read at once", callers)
		}
		close(hold)
		for range callers {
			if err := <-ended; err != nil {
				t.Errorf("the error is %v", err)
			}
		}
		if len(c.large) != 0 {
			t.Error("a place for large answers was not given back")
		}
	})
}
