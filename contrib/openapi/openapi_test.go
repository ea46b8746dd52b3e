package openapi_test

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/contrib/openapi"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/ginstigg"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
	"github.com/stiggate/gate/policyfile"
)

const example = "testdata/campaigns.yaml"

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestADocumentIsATable(t *testing.T) {
	campaigns := gate.Feature("feature-02-campaigns")
	uses, analytics := campaigns.Named("Campaigns").Uses(1), gate.Feature("feature-04-analytics")
	named := func(item, analyticsPath, health string) gate.Table {
		return gate.Table{
			"PUT " + item: uses, "GET " + item: campaigns.Has(), "GET " + analyticsPath: analytics, "HEAD " + analyticsPath: gate.Public(), "GET " + health: gate.Public(),
		}
	}
	for _, tt := range []struct {
		name string
		with []openapi.Option
		want gate.Table
	}{
		{"as net/http and chi spell routes", nil, named("/v1/campaigns/{id}", "/v1/analytics", "/health")},
		{"as gin and echo do", []openapi.Option{openapi.WithPaths(openapi.Colons)}, named("/v1/campaigns/:id", "/v1/analytics", "/health")},
		{"behind a proxy that takes the base path away", []openapi.Option{openapi.WithBasePath("")}, named("/campaigns/{id}", "/analytics", "/health")},
		{"below another path", []openapi.Option{openapi.WithBasePath("/api")}, named("/api/campaigns/{id}", "/api/analytics", "/api/health")},
	} {
		got, err := policyfile.Parse(read(t, example), openapi.Document(tt.with...))
		if err != nil || !reflect.DeepEqual(got, tt.want) { //nolint:govet // these policies have no error
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
	text := "{\n\t\"openapi\": \"3.0.3\",\n\t\"x-gate\": \"public\",\n\t\"paths\": {\"/a\": {\"get\": {\"x-gate\": {\"feature\": \"f\", \"uses\": 1e1}}, \"post\": {}}}\n}"
	got, err := policyfile.Parse([]byte(text), openapi.Document())
	if want := (gate.Table{"GET /a": gate.Feature("f").Uses(10), "POST /a": gate.Public()}); err != nil || !reflect.DeepEqual(got, want) { //nolint:govet // these policies have no error
		t.Errorf("of JSON: %v, %v", got, err)
	}
}

// TestEveryMistakeHasItsPlace: below are all errors of each document, in its order.
func TestEveryMistakeHasItsPlace(t *testing.T) {
	const forgotten = " it has no x-gate, and neither its path nor the document has one: what is open says x-gate: public"
	const nothing = " x-gate gates nothing here: it is for an operation, a path item or the document's root"
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"an operation without a gate", "paths:\n  /a:\n    get: {operationId: listA}\n    post: {x-gate: public}\n", []string{`line 4:5: operation "GET /a" (listA):` + forgotten}},
		{"a word that there is not", "paths:\n  /a:\n    get:\n      x-gate: {feature: f, use: 1}\n", []string{`line 5:28: route "GET /a": "use" is no word of a policy`}},
		{"a policy that can't be", "paths:\n  /a:\n    get:\n      x-gate:\n        feature: f\n        uses: -1\n", []string{`line 7:15: route "GET /a": gate: amount is negative`}},
		{"a default that is wrong, told once", "x-gate: {feature: 7}\npaths:\n  /a: {get: {}, post: {}}\n", []string{`line 2:19: route "GET /a": this is a number; it takes text`}},
		{"all that is wrong", "paths:\n  /a: {get: {}, put: {x-gate: {feature: f, use: 1}}}\n", []string{`line 3:8: operation "GET /a":` + forgotten, `line 3:44: route "PUT /a": "use" is no word`}},
		{"gates of what is no route", "x-gate: public\npaths:\n  /a: {get: {callbacks: {c: {'{$url}': {post: {x-gate: public}}}}, X-Gate: public}}\nwebhooks:\n  w: {post: {x-gate: public}}\n",
			[]string{"line 4:48:" + nothing, "line 4:68:" + nothing, "line 6:14:" + nothing}},
		{"a gate beside a reference", "paths:\n  /b:\n    $ref: '#/components/pathItems/b'\n    x-gate: public\ncomponents:\n  pathItems:\n    b: {get: {}}\n", []string{"line 5:5:" + nothing, `line 8:9: operation "GET /b":` + forgotten}},
		{"the same key twice", "paths:\n  /a: {get: {x-gate: {feature: f}, x-gate: public}}\n", []string{`line 3:36: "x-gate" stands here twice`}},
		{"the same path twice", "paths:\n  /a: {get: {x-gate: {feature: f}}}\n  /a: {get: {x-gate: public}}\n", []string{`line 4:3: "/a" stands here twice`}},
		{"an anchor, a tag, a merge and no number", "x-gate: &p public\npaths:\n  /a: {get: {x-gate: *p}}\n  /b: {get: {x-gate: !!str public}}\n  /c: {get: {x-gate: {<<: {feature: f}}}}\n  /d: {get: {x-gate: {feature: f, uses: .inf}}}\n",
			[]string{"line 2:9: x-gate takes no anchors", "line 5:22: x-gate takes no tag", "line 6:23: x-gate takes no <<", "line 7:41: x-gate takes no .inf"}},
		{"base paths that differ", "servers: [{url: /v1}, {url: 'https://b.example/v2'}]\npaths:\n  /a: {get: {x-gate: public}}\n", []string{`line 4:8: operation "GET /a": its servers have the base paths "/v1" and "/v2"; WithBasePath says`}},
		{"a base path that is not known", "paths:\n  /a: {servers: [{url: v1}], get: {x-gate: public}}\n  /b: {get: {x-gate: public, servers: [{url: '/{v}'}]}}\n",
			[]string{`line 3:30: operation "GET /a": the server of line 3: what "v1" is relative to is not known; WithBasePath`, `line 4:8: operation "GET /b": the server of line 4: "/{v}" is no URL; WithBasePath`}},
		{"two operations of one route", "paths:\n  /a/b: {get: {x-gate: public}}\n  /b: {get: {x-gate: public, servers: [{url: /a}]}}\n", []string{`line 4:8: operation "GET /b": the route "GET /a/b" is that of line 3, too`}},
		{"a path item of another file", "paths:\n  /a: {$ref: './a.yaml'}\n", []string{"line 3:14: path item build failed: cannot find reference: './a.yaml'"}},
		{"a path item that is not there", "paths:\n  /a: {$ref: '#/components/pathItems/a'}\n", []string{"line 3:14: component `#/components/pathItems/a` does not exist", "path item build failed"}},
		{"a schema that is not there", "paths:\n  /a: {get: {x-gate: public}}\ncomponents:\n  schemas:\n    C: {$ref: '#/components/schemas/D'}\n", []string{"line 6:8: component `#/components/schemas/D` does not exist"}},
		{"no operation", "paths: {/a: {summary: nothing}}\n", []string{"line 1:1: the document has no operations"}},
		{"no YAML", "paths: [\n", []string{"line 3:1: did not find expected node content"}},
		{"two documents", "paths: {}\n---\nopenapi: 3.1.0\n", []string{"line 3:1: a second document begins here"}},
	} {
		_, err := policyfile.Parse([]byte("openapi: 3.1.0\n"+tt.text), openapi.Document())
		if err == nil {
			t.Errorf("%s: it is taken", tt.name)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		for i, want := range tt.want {
			if i >= len(lines) || !strings.HasPrefix(lines[i], want) || len(lines) != len(tt.want) {
				t.Errorf("%s:\n%v\nwant\n%s", tt.name, err, strings.Join(tt.want, "\n"))
				break
			}
		}
	}
}

func TestWhatIsNoSuchDocumentIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
		with             []openapi.Option
	}{
		{"nothing", "", "it's empty", nil},
		{"another file", "routes:\n  GET /a: public\n", "line 1:1: ", nil},
		{"Swagger", "swagger: '2.0'\npaths: {}\n", "line 1:1: this is version 2.0 of OpenAPI", nil},
		{"a newer version", "openapi: 3.2.0\npaths: {}\n", "line 1:1: this is version 3.2.0 of OpenAPI", nil},
		{"a base path without a slash", "", `a base path begins with a slash and ends without: "v1"`, []openapi.Option{openapi.WithBasePath("v1")}},
		{"a base path that ends with one", "", `"/v1/"`, []openapi.Option{openapi.WithBasePath("/v1/")}},
		{"no function", "", "the function that spells paths is nil", []openapi.Option{openapi.WithPaths(nil)}},
		{"a part of a segment with colons", "openapi: 3.0.0\nx-gate: public\npaths: {'/a/{b}.json': {get: {}}}", `line 3:25: operation "GET /a/{b}.json": the segment "{b}.json" can't be written with colons`, []openapi.Option{openapi.WithPaths(openapi.Colons)}},
		{"a colon with colons", "openapi: 3.0.0\nx-gate: public\npaths: {'/a:b': {get: {}}}", `the segment "a:b" can't`, []openapi.Option{openapi.WithPaths(openapi.Colons)}},
	} {
		if _, err := policyfile.Parse([]byte(tt.text), openapi.Document(tt.with...)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestNothingIsFetched: a document may be a stranger's.
func TestNothingIsFetched(t *testing.T) {
	var asked atomic.Int32
	host := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer host.Close()
	for _, text := range []string{
		"openapi: 3.1.0\npaths:\n  /a: {get: {x-gate: public, responses: {'200': {$ref: 'HOST/a.yaml'}}}}\ncomponents: {schemas: {A: {$ref: 'HOST/b.yaml'}}}\n",
		"openapi: 3.1.0\npaths:\n  /a: {$ref: 'HOST/a.yaml#/a'}\n",
		"openapi: 3.1.0\npaths:\n  /a: {get: {x-gate: {$ref: 'HOST/a.yaml#/a'}}}\n",
	} {
		_, _ = policyfile.Parse([]byte(strings.ReplaceAll(text, "HOST", host.URL)), openapi.Document())
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// world is an app behind a document, with an emulated Stigg.
type world struct {
	stigg *emulator.Server
	gate  *gate.Gate
	url   string
}

// routers are apps that the example is the document of.
func routers() map[string]func(*gate.Gate, *policyfile.File) (http.Handler, error) {
	fine := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	return map[string]func(*gate.Gate, *policyfile.File) (http.Handler, error){
		"net/http": func(g *gate.Gate, policies *policyfile.File) (http.Handler, error) {
			mux := http.NewServeMux()
			for _, pattern := range []string{"PUT /v1/campaigns/{id}", "GET /v1/campaigns/{id}", "GET /v1/analytics", "HEAD /v1/analytics", "GET /health"} {
				mux.HandleFunc(pattern, fine)
			}
			return nethttp.Routes(g, mux, policies, gate.DenyRest), policies.Check(func(t gate.Table) error { return nethttp.Verify(mux, t) })
		},
		"gin": func(g *gate.Gate, policies *policyfile.File) (http.Handler, error) {
			gin.SetMode(gin.TestMode)
			e := gin.New()
			e.Use(ginstigg.Routes(g, policies, gate.DenyRest))
			v1 := e.Group("/v1")
			v1.PUT("/campaigns/:id", gin.WrapF(fine))
			v1.GET("/campaigns/:id", gin.WrapF(fine))
			v1.GET("/analytics", gin.WrapF(fine))
			v1.HEAD("/analytics", gin.WrapF(fine))
			e.GET("/health", gin.WrapF(fine))
			return e, policies.Check(func(t gate.Table) error { return ginstigg.Verify(e, t) })
		},
	}
}

func open(t *testing.T, router, path string) (*policyfile.File, error) {
	t.Helper()
	var with []openapi.Option
	if router == "gin" {
		with = append(with, openapi.WithPaths(openapi.Colons))
	}
	return policyfile.Open(path, openapi.Document(with...), policyfile.WithLogger(slog.New(slog.DiscardHandler)))
}

func serve(t *testing.T, policies *policyfile.File, router func(*gate.Gate, *policyfile.File) (http.Handler, error)) *world {
	t.Helper()
	stigg, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stigg.Close() })
	source, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(source, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithDecisionTimeout(time.Minute), gate.WithColdTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	h, err := router(g, policies)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &world{stigg, g, server.URL}
}

func (w *world) status(t *testing.T, customer, method, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if customer != "" {
		r.Header.Set("X-Customer-ID", customer)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestADocumentGuardsARouter(t *testing.T) {
	for name, router := range routers() {
		t.Run(name, func(t *testing.T) {
			policies, err := open(t, name, example)
			if err != nil {
				t.Fatal(err)
			}
			w := serve(t, policies, router)
			for _, tt := range []struct {
				customer, method, path string
				want                   int
			}{
				{"customer-pro", "PUT", "/v1/campaigns/7", 204},
				{"customer-pro", "GET", "/v1/campaigns/7", 204},
				{"customer-pro", "GET", "/v1/analytics", 204},
				{"customer-basic", "GET", "/v1/analytics", 402},
				{"", "PUT", "/v1/campaigns/7", 401},
				{"", "HEAD", "/v1/analytics", 204},
				{"", "GET", "/health", 204},
				{"customer-pro", "GET", "/campaigns/7", 404},
			} {
				if got := w.status(t, tt.customer, tt.method, tt.path); got != tt.want {
					t.Errorf("%s %s by %q: %d, want %d", tt.method, tt.path, tt.customer, got, tt.want)
				}
			}
			if err := w.gate.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			billed := 0.0
			for _, m := range w.stigg.Usage() {
				if m.CustomerID == "customer-pro" && m.FeatureID == "feature-02-campaigns" && !m.Duplicate {
					billed += m.Value
				}
			}
			if billed != 1 {
				t.Errorf("Stigg counted %v, want 1", billed)
			}
		})
	}
}

// TestAReloadedDocumentIsInForceOrRefusedWithTheLine, for what the router lacks, too.
func TestAReloadedDocumentIsInForceOrRefusedWithTheLine(t *testing.T) {
	text := string(read(t, example))
	for name, router := range routers() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "openapi.yaml")
			write := func(from, to string) {
				t.Helper()
				if from != "" && !strings.Contains(text, from) {
					t.Fatalf("the example has no %q", from)
				}
				if err := os.WriteFile(path, []byte(strings.Replace(text, cmp.Or(from, to), to, 1)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("", "")
			policies, err := open(t, name, path)
			if err != nil {
				t.Fatal(err)
			}
			w := serve(t, policies, router)
			item := map[string]string{"gin": ":id", "net/http": "{id}"}[name]
			for _, tt := range []struct {
				name, from, to, err string
				status              int // of a customer who has no analytics
			}{
				{"a gate that opens", "{feature: feature-04-analytics}", "public", "", 204},
				{"a word that there is not", "has: true}", "hass: true}", path + `:16:47: route "GET /v1/campaigns/` + item + `": "hass" is no word of a policy`, 204},
				{"an operation that the router has not", "    get:\n      x-gate: {feature: feature-02", "    patch:\n      x-gate: {feature: feature-02", path + `:15:5: route "PATCH /v1/campaigns/` + item + `": the router has no such route`, 204},
				{"an operation that is forgotten", "        x-gate: {public: true}\n", "", path + `:33:7: operation "GET /health": it has no x-gate`, 204},
				{"the first", "", "", "", 402},
			} {
				write(tt.from, tt.to)
				err := policies.Reload()
				if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
					t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
				}
				if got := w.status(t, "customer-basic", "GET", "/v1/analytics"); got != tt.status {
					t.Errorf("%s: answered %d, want %d", tt.name, got, tt.status)
				}
			}
		})
	}
}
