package emulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheCatalogsSchemaKnowsWhatTheReaderDoes(t *testing.T) {
	var schema map[string]any
	must(t, json.Unmarshal(CatalogSchema(), &schema))
	var compare func(at string, typ reflect.Type, def map[string]any)
	resolve := func(v any) map[string]any {
		for {
			m, _ := v.(map[string]any)
			if any, ok := m["anyOf"].([]any); ok {
				v = any[0]
				continue
			}
			ref, ok := m["$ref"].(string)
			if !ok {
				return m
			}
			v = schema["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")]
		}
	}
	type definition struct { // a type may have several
		typ reflect.Type
		at  uintptr
	}
	seen := map[definition]bool{}
	compare = func(at string, typ reflect.Type, def map[string]any) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			if typ.Kind() == reflect.Slice {
				def = resolve(def["items"])
			}
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() || seen[definition{typ, reflect.ValueOf(def).Pointer()}] {
			return
		}
		seen[definition{typ, reflect.ValueOf(def).Pointer()}] = true
		known, _ := def["properties"].(map[string]any)
		fields := jsonFields(typ)
		for name, inner := range fields {
			if known[name] == nil {
				t.Errorf("%s.%s is read and not in the schema", at, name)
				continue
			}
			compare(at+"."+name, inner, resolve(known[name]))
		}
		for name := range known {
			if fields[name] == nil {
				t.Errorf("%s.%s is in the schema and not read", at, name)
			}
		}
	}
	compare("catalog", reflect.TypeFor[catalog](), schema)
	if !slices.ContainsFunc(slices.Collect(maps.Keys(seen)), func(d definition) bool { return d.typ == reflect.TypeFor[seedUsage]() }) {
		t.Error("the comparison did not come far")
	}
}

func TestTheCatalogThatIsShownCanBeServed(t *testing.T) {
	for name, opt := range map[string]Option{"Revvenu": sameAsEver, "credits": WithCreditsDemo()} {
		e := newTest(t, opt)
		must(t, e.Publish(e.catalog.Plans[1].ID, "ALL_CUSTOMERS"))
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1/_emulator/catalog", nil))
		again, err := New(WithCatalog(bytes.NewReader(w.Body.Bytes())))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := again.catalog.Plans[1].Version; got != 2 {
			t.Errorf("%s: version %d", name, got)
		}
	}
}

func TestTheCatalogOfTheDocumentationCanBeServed(t *testing.T) {
	doc, err := os.ReadFile("../docs/emulator.md")
	must(t, err)
	m := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(doc)
	if m == nil {
		t.Fatal("it has no catalog")
	}
	if _, err := New(WithCatalog(bytes.NewReader(m[1]))); err != nil {
		t.Error(err)
	}
	for flag := range strings.SplitSeq("-addr -key -catalog -credits -state -v -counting-delay -webhook -remote-webhooks -hosts -stigg-limits -without-events", " ") {
		if !bytes.Contains(doc, []byte("`"+flag)) {
			t.Errorf("it does not name %s", flag)
		}
	}
}
