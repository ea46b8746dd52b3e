// Package load measures what it takes to read a customer's set: to decode it, and to have it in a gate.
package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/world"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/emulator"
)

// Group is the group's name.
const Group = "load of 50 entitlements"

// fifty is Stigg's answer with 50 entitlements, all fields filled.
func fifty() []byte {
	all := make([]string, 50)
	for i := range all {
		all[i] = fmt.Sprintf(`{"__typename":"FeatureEntitlement","isGranted":true,"accessDeniedReason":null,"feature":{"refId":"feature-%d",`+
			`"displayName":"Feature %d","featureType":"NUMBER","meterType":"Incremental","featureUnits":"unit","featureUnitsPlural":"units"},`+
			`"usageLimit":%d,"hasUnlimitedUsage":false,"hasSoftLimit":false,"currentUsage":12.5,"enumValues":null,"resetPeriod":"MONTH",`+
			`"usagePeriodAnchor":"2026-05-01T12:30:00.000Z","usagePeriodStart":"2026-05-01T12:30:00.000Z","usagePeriodEnd":"2036-06-01T12:30:00.000Z",`+
			`"validUntil":"2036-06-01T12:30:00.000Z","creditRate":null}`, i, i, 100*i)
	}
	return []byte(`{"data":{"entitlementsState":{"accessDeniedReason":null,"entitlementsV2":[` + strings.Join(all, ",") + `]}}}`)
}

// canned answers every request with the same bytes, without a socket.
type canned []byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(c)),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(c)))}, nil
}

// answer has the fields that a gate needs.
type answer struct {
	Data struct {
		EntitlementsState struct {
			AccessDeniedReason *string
			EntitlementsV2     []struct {
				IsGranted                                                       bool
				AccessDeniedReason                                              *string
				Feature                                                         struct{ RefID, DisplayName, FeatureType, MeterType, FeatureUnits, FeatureUnitsPlural string }
				UsageLimit                                                      float64
				HasUnlimitedUsage                                               bool
				HasSoftLimit                                                    bool
				CurrentUsage                                                    float64
				EnumValues                                                      []string
				ResetPeriod                                                     string
				UsagePeriodAnchor, UsagePeriodStart, UsagePeriodEnd, ValidUntil string
			}
		}
	}
}

// Run measures it.
func Run(b *measure.Bench) error {
	body := fifty()
	stigg, err := client.New(emulator.DefaultKey, client.WithHTTPClient(&http.Client{Transport: canned(body)}), client.WithoutRealtime())
	if err != nil {
		return err
	}
	g, err := world.Gate(stigg, nil, gate.WithCacheSize(1000))
	if err != nil {
		return err
	}
	defer world.Drop(g)
	ctx, next := context.Background(), 0
	must := func(n int, err error) {
		if err != nil || n != 50 {
			panic(fmt.Sprint(n, " entitlements, want 50: ", err))
		}
	}
	b.Contest(measure.Group{Name: Group, Base: "encoding/json into a struct", Note: "Stigg's answer from memory, without a socket."},
		measure.Contestant{Name: "encoding/json into a struct", Loop: func(_, n int) {
			for range n {
				var a answer
				err := json.Unmarshal(body, &a)
				must(len(a.Data.EntitlementsState.EntitlementsV2), err)
			}
		}},
		measure.Contestant{Name: "Gate's client", Loop: func(_, n int) {
			for range n {
				set, err := stigg.Entitlements(ctx, gate.Customer{ID: "customer"})
				must(len(set.Features), err)
			}
		}},
		measure.Contestant{Name: "Gate's client and a gate that keeps it", Loop: func(_, n int) {
			for range n {
				next++
				set, err := g.Entitlements(ctx, gate.Customer{ID: "customer-" + strconv.Itoa(next)})
				must(len(set.Features), err)
			}
		}})
	return nil
}
