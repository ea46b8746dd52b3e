// Package schema is Stigg's GraphQL schema: the client is generated from it, and the
// emulator serves it.
package schema

import _ "embed"

// Stigg is the schema as text.
//
//go:embed stigg.graphql
var Stigg string
