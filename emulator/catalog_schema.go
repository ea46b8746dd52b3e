package emulator

import (
	_ "embed"
	"net/http"
)

//go:embed catalog.schema.json
var catalogSchema []byte

// CatalogSchema is the JSON Schema (2020-12) of what [WithCatalog] reads.
func CatalogSchema() []byte { return append([]byte{}, catalogSchema...) }

func serveCatalogSchema(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = w.Write(catalogSchema)
}
