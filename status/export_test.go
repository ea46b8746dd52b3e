package status

import "reflect"

// Parts are the types that hold what gate.Stats counts.
var Parts = []reflect.Type{reflect.TypeFor[decisions](), reflect.TypeFor[reads](), reflect.TypeFor[usage](), reflect.TypeFor[outbox](), reflect.TypeFor[replicas]()}
