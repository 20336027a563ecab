// SPDX-License-Identifier: MIT
// Readers of Kafka that others wrote, each to the end of a topic as it is now; they print what the topic's table is for them.
//
//   Foreign connect ADDRESS TOPIC     Kafka Connect's JSON converter, then its transform ExtractField, of `after`: a row a line
//   Foreign unwrap ADDRESS TOPIC      the same converter with schemas in the records, then Debezium's transform ExtractNewRecordState: a row a line
//   Foreign values ADDRESS TOPIC      that converter alone: a value a line
//   Foreign streams ADDRESS TOPIC     Kafka Streams, a KTable: a line for each key, KEY <tab> VALUE
//   Foreign partitions ADDRESS TOPIC  records whose partition is not the one that the Java client puts their key in; then
//                                     `N records, M partitions`
import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.transforms.ExtractNewRecordState;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.transforms.ExtractField;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.LogAndFailExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.query.QueryResult;
import org.apache.kafka.streams.query.RangeQuery;
import org.apache.kafka.streams.query.StateQueryRequest;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.Stores;

public class Foreign {
    static final String UNAVAILABLE = "__debezium_unavailable_value";
    static final ObjectMapper JSON = new ObjectMapper();

    // All committed records of a topic, partition by partition in their order; how many partitions it has.
    static int read(String address, String topic, Consumer<ConsumerRecord<byte[], byte[]>> take) {
        Map<String, Object> settings = Map.of("bootstrap.servers", address, "isolation.level", "read_committed");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> all = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(one -> all.add(new TopicPartition(topic, one.partition())));
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(one -> consumer.position(one) < ends.get(one)))
                consumer.poll(Duration.ofMillis(200)).forEach(take);
            return all.size();
        }
    }

    // What Debezium's own sinks do with its mark: the older value stays.
    static Map<String, Object> merged(Map<?, ?> old, Map<?, ?> row) {
        Map<String, Object> result = new TreeMap<>();
        row.forEach((name, value) -> result.put((String) name, !UNAVAILABLE.equals(value) ? value : old == null ? "?" : old.get(name)));
        return result;
    }

    static void connect(String address, String topic) throws Exception {
        JsonConverter keys = new JsonConverter(), values = new JsonConverter();
        keys.configure(Map.of("schemas.enable", "false"), true);
        values.configure(Map.of("schemas.enable", "false"), false);
        // Debezium's ExtractNewRecordState leaves records without schemas as they are (unwrap is for those that have them).
        ExtractField.Value<SinkRecord> extract = new ExtractField.Value<>();
        extract.configure(Map.of("field", "after"));
        Map<Object, Map<String, Object>> rows = new HashMap<>();

        read(address, topic, record -> {
            SchemaAndValue key = keys.toConnectData(topic, record.key()), value = values.toConnectData(topic, record.value());
            SinkRecord row = extract.apply(new SinkRecord(topic, record.partition(), key.schema(), key.value(), value.schema(), value.value(), record.offset()));
            if (row.value() == null)
                rows.remove(row.key());
            else
                rows.compute(row.key(), (k, old) -> merged(old, (Map<?, ?>) row.value()));
        });
        for (Map<String, Object> row : rows.values())
            System.out.println(JSON.writeValueAsString(row));
    }

    static JsonConverter converter(boolean schemas, boolean key) {
        JsonConverter made = new JsonConverter();
        made.configure(Map.of("schemas.enable", String.valueOf(schemas)), key);
        return made;
    }

    static void unwrap(String address, String topic) throws Exception {
        JsonConverter keys = converter(true, true), values = converter(true, false), plain = converter(false, false);
        Map<Object, Map<String, Object>> rows = new HashMap<>();

        try (ExtractNewRecordState<SinkRecord> extract = new ExtractNewRecordState<>()) {
            extract.configure(Map.of());
            read(address, topic, record -> {
                SchemaAndValue key = keys.toConnectData(topic, record.key()), value = values.toConnectData(topic, record.value());
                SinkRecord row = extract.apply(new SinkRecord(topic, record.partition(), key.schema(), key.value(), value.schema(), value.value(), record.offset()));
                if (row == null)
                    return;
                if (row.value() == null) {
                    rows.remove(row.key());
                    return;
                }
                try {
                    Map<?, ?> made = JSON.readValue(plain.fromConnectData(topic, row.valueSchema(), row.value()), Map.class);
                    rows.compute(row.key(), (k, old) -> merged(old, made));
                } catch (java.io.IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
        }
        for (Map<String, Object> row : rows.values())
            System.out.println(JSON.writeValueAsString(row));
    }

    static void values(String address, String topic) {
        JsonConverter keys = converter(true, true), values = converter(true, false), plain = converter(false, false);

        read(address, topic, record -> {
            keys.toConnectData(topic, record.key());
            SchemaAndValue value = values.toConnectData(topic, record.value());
            System.out.println(new String(plain.fromConnectData(topic, value.schema(), value.value()), java.nio.charset.StandardCharsets.UTF_8));
        });
    }

    static void streams(String address, String topic, String folder) throws Exception {
        Map<Integer, Long> last = new HashMap<>();
        read(address, topic, record -> last.put(record.partition(), record.offset()));

        Properties settings = new Properties();
        settings.put("application.id", "foreign-" + ProcessHandle.current().pid());
        settings.put("bootstrap.servers", address);
        settings.put("state.dir", folder);
        settings.put("auto.offset.reset", "earliest");
        settings.put(StreamsConfig.consumerPrefix("isolation.level"), "read_committed");
        settings.put("deserialization.exception.handler", LogAndFailExceptionHandler.class);
        StreamsBuilder builder = new StreamsBuilder();
        // The store is asked once nothing is written any more: asked meanwhile, query and write would wait for each other's locks.
        Map<Integer, Long> reached = new ConcurrentHashMap<>();
        builder.table(topic, Consumed.with(Serdes.String(), Serdes.String()),
                Materialized.<String, String>as(Stores.inMemoryKeyValueStore("rows")).withLoggingDisabled().withCachingDisabled())
            .toStream().process(() -> new Processor<String, String, Void, Void>() {
                private ProcessorContext<Void, Void> context;
                @Override
                public void init(ProcessorContext<Void, Void> given) {
                    context = given;
                }
                @Override
                public void process(Record<String, String> record) {
                    context.recordMetadata().ifPresent(at -> reached.put(at.partition(), at.offset()));
                }
            });
        try (KafkaStreams streams = new KafkaStreams(builder.build(), settings)) {
            streams.start();
            while (streams.state() != KafkaStreams.State.RUNNING ||
                    !last.entrySet().stream().allMatch(one -> reached.getOrDefault(one.getKey(), -1L) >= one.getValue())) {
                if (streams.state().hasStartedOrFinishedShuttingDown())
                    throw new IllegalStateException("Kafka Streams is " + streams.state());
                Thread.sleep(50);
            }
            var all = StateQueryRequest.inStore("rows").withQuery(RangeQuery.<String, String>withNoBounds());
            for (QueryResult<KeyValueIterator<String, String>> part : streams.query(all).getPartitionResults().values())
                try (KeyValueIterator<String, String> rows = part.getResult()) {
                    while (rows.hasNext()) {
                        KeyValue<String, String> row = rows.next();
                        System.out.println(row.key + "\t" + row.value);
                    }
                }
        }
    }

    static void partitions(String address, String topic) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        int n = read(address, topic, records::add);
        TreeSet<Integer> seen = new TreeSet<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            seen.add(record.partition());
            if (BuiltInPartitioner.partitionForKey(record.key(), n) != record.partition())
                System.out.println(record.partition() + "\t" + new String(record.key(), java.nio.charset.StandardCharsets.UTF_8));
        }
        System.out.println(records.size() + " records, " + seen.size() + " partitions");
    }

    public static void main(String[] words) throws Exception {
        System.setOut(new java.io.PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, "UTF-8"));
        switch (words[0]) {
            case "connect" -> connect(words[1], words[2]);
            case "unwrap" -> unwrap(words[1], words[2]);
            case "values" -> values(words[1], words[2]);
            case "streams" -> streams(words[1], words[2], words[3]);
            case "partitions" -> partitions(words[1], words[2]);
            default -> System.exit(64);
        }
        System.out.flush();
    }
}
