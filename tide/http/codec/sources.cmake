# The codecs: pure, bytes in and values out. CMakeLists.txt of the room and the fuzz targets build these.
set(TIDE_HTTP_CODEC_SOURCES
  codec/error.cpp
  codec/handshake.cpp
  codec/headers.cpp
  codec/message.cpp
  codec/parser.cpp
  codec/url.cpp
  codec/websocket.cpp)
