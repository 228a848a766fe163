import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;

/** Payments from bytes, alerts to bytes; reader and writer are made once. */
public final class Json {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final ObjectReader PAYMENTS = MAPPER.readerFor(Payment.class);
  private static final ObjectWriter ALERTS = MAPPER.writerFor(Alert.class);

  private Json() {}

  public static Payment payment(byte[] value) throws IOException {
    return PAYMENTS.readValue(value);
  }

  public static byte[] bytes(Alert alert) {
    try {
      return ALERTS.writeValueAsBytes(alert);
    } catch (IOException error) {
      throw new IllegalStateException(error);
    }
  }
}
