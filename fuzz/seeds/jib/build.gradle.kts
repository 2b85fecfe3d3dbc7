val v: String = "1"
jib {
 to { image = "r/a" + v
 setTags(listOf("a", v)) }
 container { labels.set(mapOf("a" to "b")); format = ImageFormat.OCI }
}
