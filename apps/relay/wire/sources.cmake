# The wire format of the event stream: pure, bytes in and values out. CMakeLists.txt and the fuzz target build these.
set(TIDE_RELAY_WIRE_SOURCES cbor.cpp error.cpp frame.cpp)
