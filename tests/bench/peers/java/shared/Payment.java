/** A record of the input, all its fields. */
public final class Payment {
  public String id;
  public String type;
  public long ts;
  public String account;
  public String merchant;
  public String device;
  public String country;
  public long amount_cents;
  public String currency;
}
