package emulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const customersDocument = `query C($filter: CustomerFilter, $paging: CursorPaging, $sorting: [CustomerSort!]) {
	customers(filter: $filter, paging: $paging, sorting: $sorting) {
		edges { node { customerId } cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }`

// listed gives the ids of a page, with what the page says of itself.
func listed(t testing.TB, e *Emulator, document string, in vars) (ids string, list any, code Code) {
	t.Helper()
	a := ask(t, e, document, in)
	if len(a.Errors) > 0 {
		return "", nil, a.code()
	}
	var all []string
	for _, v := range a.Data {
		list = v
		for _, edge := range dig(t, v, "edges").([]any) {
			for _, id := range dig(t, edge, "node").(map[string]any) {
				all = append(all, id.(string))
			}
		}
	}
	return strings.Join(all, " "), list, ""
}

func TestCustomersAreFilteredAndSorted(t *testing.T) {
	now := testNow
	e := newTest(t, WithoutDemo(), WithClock(func() time.Time { return now }))
	for _, c := range []vars{
		{"customerId": "c1", "name": "Ann", "email": "ann@x.test", "crmId": "7"},
		{"customerId": "c2", "name": "Bob", "subscriptionParams": vars{"planId": "plan-revvenu-basic"}},
		{"customerId": "c3", "name": "ann b"},
		{"customerId": "c4"},
	} {
		run(t, e, "ProvisionCustomer", c)
		now = now.Add(time.Minute)
	}
	must(t, e.Archive("c4"))
	for _, c := range []struct {
		name            string
		filter, sorting any
		want            string
		code            Code
	}{
		{"all, the newest first, without the archived one", nil, nil, "c3 c2 c1", ""},
		{"by name", nil, []vars{{"field": "name", "direction": "ASC"}}, "c1 c2 c3", ""},
		{"by name, from the end", nil, []vars{{"field": "name", "direction": "DESC"}}, "c3 c2 c1", ""},
		{"by email, the missing ones last", nil, []vars{{"field": "email", "direction": "ASC", "nulls": "NULLS_LAST"}, {"field": "customerId", "direction": "DESC"}}, "c1 c3 c2", ""},
		{"one", vars{"customerId": vars{"eq": "c2"}}, nil, "c2", ""},
		{"all but one", vars{"customerId": vars{"neq": "c2"}}, nil, "c3 c1", ""},
		{"some", vars{"customerId": vars{"in": []string{"c1", "c3", "c9"}}}, nil, "c3 c1", ""},
		{"like", vars{"name": vars{"iLike": "ann%"}}, nil, "c3 c1", ""},
		{"like, with the case", vars{"name": vars{"like": "A_n"}}, nil, "c1", ""},
		{"a search", vars{"searchQuery": vars{"iLike": "%X.TEST%"}}, nil, "c1", ""},
		{"without a name that is so", vars{"email": vars{"is": true}}, nil, "c3 c2", ""},
		{"made in a time", vars{"createdAt": vars{"between": vars{"lower": isoTime(testNow), "upper": isoTime(testNow.Add(time.Minute))}}}, nil, "c2 c1", ""},
		{"made after", vars{"createdAt": vars{"gt": isoTime(testNow)}}, nil, "c3 c2", ""},
		{"either", vars{"or": []vars{{"customerId": vars{"eq": "c1"}}, {"crmId": vars{"eq": "8"}}}}, nil, "c1", ""},
		{"both", vars{"and": []vars{{"name": vars{"eq": "Ann"}}, {"crmId": vars{"eq": "8"}}}}, nil, "", ""},
		{"with a plan", vars{"subscriptions": vars{"status": vars{"eq": "ACTIVE"}}}, nil, "c2", ""},
		{"as the documentation filters", vars{"hasActiveSubscription": vars{"eq": true}}, nil, "c2", ""},
		{"as it doesn't", vars{"hasActiveSubscription": vars{"eq": false}}, nil, "c3 c1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := vars{}
			if c.filter != nil {
				in["filter"] = c.filter
			}
			if c.sorting != nil {
				in["sorting"] = c.sorting
			}
			got, _, code := listed(t, e, customersDocument, in)
			if got != c.want || code != c.code {
				t.Errorf("%q %s, want %q %s", got, code, c.want, c.code)
			}
		})
	}
}

func TestTenThousandCustomersArePagedThroughWhileOthersComeAndGo(t *testing.T) {
	const many, size = 10_000, 500
	e := newTest(t, WithoutDemo())
	for i := range many {
		must(t, e.AddCustomer(fmt.Sprintf("c-%05d", i)))
	}
	seen := map[string]bool{}
	paging := vars{"first": size}
	for page := 0; ; page++ {
		ids, list, code := listed(t, e, customersDocument, vars{"paging": paging})
		if code != "" || page > many/size+1 {
			t.Fatalf("page %d: %s", page, code)
		}
		for id := range strings.FieldsSeq(ids) {
			if seen[id] {
				t.Fatalf("%s stands on two pages", id)
			}
			seen[id] = true
		}
		// What is new stands before the first page, and what goes is behind this one.
		must(t, e.AddCustomer(fmt.Sprintf("a-%05d", page)))
		if dig(t, list, "pageInfo", "hasNextPage") != true {
			break
		}
		paging = vars{"first": size, "after": dig(t, list, "pageInfo", "endCursor")}
	}
	for i := range many {
		if id := fmt.Sprintf("c-%05d", i); !seen[id] {
			t.Fatalf("%s was never listed", id)
		}
	}
}

func TestPagesAndTheirCursors(t *testing.T) {
	e := newTest(t, WithoutDemo())
	for _, id := range []string{"c1", "c2", "c3", "c4", "c5"} {
		must(t, e.AddCustomer(id))
		run(t, e, "ProvisionSubscription", vars{"customerId": id, "planId": "plan-revvenu-basic", "subscriptionId": "s-" + id})
	}
	const subs = `query S($paging: CursorPaging) { subscriptions(paging: $paging) { edges { node { subscriptionId } cursor } pageInfo { endCursor } totalCount } }`
	_, list, _ := listed(t, e, customersDocument, vars{"paging": vars{"first": 2}})
	second := dig(t, list, "edges", 1, "cursor")
	if got := dig(t, list, "totalCount"); got != 5.0 {
		t.Errorf("%v in all", got)
	}
	_, other, _ := listed(t, e, subs, vars{"paging": vars{"first": 2}})
	foreign := dig(t, other, "pageInfo", "endCursor")
	for _, c := range []struct {
		name   string
		paging vars
		want   string
		code   Code
	}{
		{"after", vars{"first": 2, "after": second}, "c3 c4", ""},
		{"before", vars{"last": 1, "before": second}, "c1", ""},
		{"the last", vars{"last": 2}, "c4 c5", ""},
		{"none", vars{"first": 0}, "", ""},
		{"a cursor of another list", vars{"first": 2, "after": foreign}, "", CodeBadUserInput},
		{"no cursor", vars{"first": 2, "after": "cursor123"}, "", CodeBadUserInput},
		{"fewer than none", vars{"first": -1}, "", CodeBadUserInput},
		{"more than fit a page", vars{"first": 100_000}, "", CodeBadUserInput},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, code := listed(t, e, customersDocument, vars{"paging": c.paging})
			if got != c.want || code != c.code {
				t.Errorf("%q %s, want %q %s", got, code, c.want, c.code)
			}
		})
	}
}

func TestSubscriptionsAreListedWithWhatTheyAreOf(t *testing.T) {
	e := newTest(t)
	const document = `query S($filter: SubscriptionQueryFilter) { subscriptions(filter: $filter, sorting: [{field: subscriptionId, direction: ASC}]) { edges { node { subscriptionId } } } }`
	const basic, pro, demo, site = "subscription-plan-revvenu-basic-demo", "subscription-plan-revvenu-pro-demo",
		"subscription-plan-revvenu-essentials-bum2flivze", "subscription-plan-revvenu-essentials-cd0ba9"
	for _, c := range []struct {
		name   string
		filter vars
		want   string
	}{
		{"all but those of archived customers", vars{}, strings.Join([]string{basic, demo, site, pro}, " ")},
		{"of a customer", vars{"customerId": vars{"eq": "customer-basic"}}, basic},
		{"of a resource", vars{"resourceId": vars{"eq": "site-1"}}, site},
		{"of no resource", vars{"resourceId": vars{"is": true}}, strings.Join([]string{basic, demo, pro}, " ")},
		{"of a plan", vars{"plan": vars{"refId": vars{"eq": "plan-revvenu-pro"}}}, pro},
		{"of customers of a name", vars{"customer": vars{"name": vars{"eq": "Acme"}}}, demo + " " + site},
		{"by what it costs", vars{"pricingType": vars{"in": []string{"FREE", "CUSTOM"}}}, basic + " " + pro},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _, code := listed(t, e, document, vars{"filter": c.filter}); got != c.want || code != "" {
				t.Errorf("%q %s, want %q", got, code, c.want)
			}
		})
	}
}
